# Mutants are made from the official cases and the error cases, as ONNX messages.
target_link_libraries(fuzz_tests PRIVATE ONNX::onnx protobuf::libprotobuf)
target_sources(fuzz_tests PRIVATE "${PROJECT_SOURCE_DIR}/tests/conformance/excuses.cpp"
                                  "${PROJECT_SOURCE_DIR}/tests/conformance/case_model.cpp")
add_dependencies(fuzz_tests dlc_onnx_cases dlc_error_cases)
set_source_files_properties("${PROJECT_SOURCE_DIR}/tests/fuzz/corpus.cpp" PROPERTIES COMPILE_DEFINITIONS
                            "DLC_TEST_ERROR_CASES=\"${PROJECT_BINARY_DIR}/error_cases\"")
