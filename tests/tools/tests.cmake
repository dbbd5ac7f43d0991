# These tests run the programs, link what they write, and install dlc.
add_dependencies(tools_tests dlc-compile dlc-run dlc-train dlc_mpi dlc_shared dlcrt dlc_onnx_cases)
set_source_files_properties("${PROJECT_SOURCE_DIR}/tests/tools/install_test.cpp"
                            "${PROJECT_SOURCE_DIR}/tests/tools/library_test.cpp" PROPERTIES COMPILE_DEFINITIONS
  "DLC_TEST_CMAKE=\"${CMAKE_COMMAND}\";DLC_TEST_SANITIZE=\"${DLC_SANITIZE}\";DLC_TEST_BINARY_DIR=\"${PROJECT_BINARY_DIR}\"")
