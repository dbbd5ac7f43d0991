# Tests: every folder below tests/unit is a program, <folder>_tests, and so is every other folder of tests/ that holds
# a *_test.cpp. A folder that needs more than that brings a tests.cmake, which is included last.

find_package(GTest REQUIRED)
include(GoogleTest)

dlc_glob(support_sources tests/support)
dlc_add_layer(dlc_test_support SOURCES ${support_sources} LINK fmt::fmt nlohmann_json::nlohmann_json GTest::gtest)

# The official ONNX cases, beside the other dependencies: all checkouts with the same script share them.
set(cases_script "${PROJECT_SOURCE_DIR}/tests/conformance/generate_cases.py")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${cases_script}")
file(SHA256 "${cases_script}" cases_hash)
string(SUBSTRING ${cases_hash} 0 8 cases_hash)
set(cases_dir "${DLC_DEPS}/onnx_cases-${cases_hash}")
add_custom_command(OUTPUT "${cases_dir}/stamp.txt" VERBATIM COMMENT "Writing the official ONNX cases"
                   COMMAND flock "${DLC_DEPS}/lock" "${DLC_PYTHON}" "${cases_script}" "${cases_dir}")
add_custom_target(dlc_onnx_cases DEPENDS "${cases_dir}/stamp.txt")

set_source_files_properties("${PROJECT_SOURCE_DIR}/tests/support/paths.cpp" PROPERTIES COMPILE_DEFINITIONS
  "DLC_TEST_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\";DLC_TEST_BINARY_DIR=\"${PROJECT_BINARY_DIR}\";DLC_TEST_SHARED_DIR=\"${DLC_SHARED}\";DLC_TEST_CASES_DIR=\"${cases_dir}\";DLC_TEST_REFERENCES_DIR=\"${DLC_DEPS}/references\"")

dlc_add_layer(dlc_test_pch LINK fmt::fmt GTest::gtest)
target_precompile_headers(dlc_test_pch PRIVATE <algorithm> <functional> <map> <memory> <optional> <span> <string>
                          <variant> <vector> <fmt/format.h> <fmt/ranges.h> <gtest/gtest.h>)
# Objects of libraries and of programs get different flags for position independence, which would make the header of
# one unfit for the other; without the property both get the compiler's own.
set_target_properties(dlc_test_pch PROPERTIES POSITION_INDEPENDENT_CODE OFF)

# dlc_add_test_program(FOLDER LABEL): the program, and every case of it as a test of its own, found when ctest starts.
function(dlc_add_test_program folder label)
  dlc_glob(sources ${folder})
  if(NOT sources MATCHES "_test[.]cpp")
    return()
  endif()
  cmake_path(GET folder FILENAME name)
  add_executable(${name}_tests ${sources})
  if(name STREQUAL codegen)
    target_link_libraries(${name}_tests PRIVATE dlc_llvm)
  endif()
  if(name STREQUAL conformance)
    add_dependencies(${name}_tests dlc_onnx_cases dlc_codecs)
  endif()
  set_target_properties(${name}_tests PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests"
                        POSITION_INDEPENDENT_CODE OFF)
  # GoogleTest's assertions are an if with an else.
  target_compile_options(${name}_tests PRIVATE -Wno-dangling-else)
  target_precompile_headers(${name}_tests REUSE_FROM dlc_test_pch)
  target_link_libraries(${name}_tests PRIVATE dlc_test_support dlc_tools dlc dlc_options GTest::gtest_main)
  gtest_discover_tests(${name}_tests DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 TEST_PREFIX ${name}/
                       PROPERTIES LABELS ${label} TIMEOUT 300)
endfunction()

file(GLOB unit_folders RELATIVE "${PROJECT_SOURCE_DIR}" CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/unit/*")
foreach(folder ${unit_folders})
  dlc_add_test_program(${folder} unit)
endforeach()
file(GLOB other_folders RELATIVE "${PROJECT_SOURCE_DIR}" CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*")
list(FILTER other_folders EXCLUDE REGEX "^tests/(unit|support)$")
foreach(folder ${other_folders})
  cmake_path(GET folder FILENAME label)
  dlc_add_test_program(${folder} ${label})
endforeach()
add_test(NAME model_runtime_archive COMMAND "${DLC_PYTHON}" "${PROJECT_SOURCE_DIR}/tools/dev/check_archive.py"
         $<TARGET_FILE:dlcrt> "${PROJECT_BINARY_DIR}/model_runtime_objects.txt")
file(GLOB extra_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*/tests.cmake")
foreach(file ${extra_files})
  include(${file})
endforeach()
