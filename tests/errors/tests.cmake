# The cases are written by Python when the tests are built; a stamp makes that quick.
set(error_cases "${PROJECT_BINARY_DIR}/error_cases")
file(GLOB error_scripts CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/errors/*.py")
add_custom_command(OUTPUT "${error_cases}/stamp.txt" VERBATIM COMMENT "Writing the error cases"
                   COMMAND "${DLC_PYTHON}" "${PROJECT_SOURCE_DIR}/tests/errors/make_error_cases.py" "${error_cases}"
                   COMMAND "${CMAKE_COMMAND}" -E touch "${error_cases}/stamp.txt" DEPENDS ${error_scripts})
add_custom_target(dlc_error_cases DEPENDS "${error_cases}/stamp.txt")
add_dependencies(errors_tests dlc_error_cases dlc-run)
set_source_files_properties("${PROJECT_SOURCE_DIR}/tests/errors/errors_test.cpp" PROPERTIES COMPILE_DEFINITIONS
                            "DLC_TEST_ERROR_CASES=\"${error_cases}\"")
