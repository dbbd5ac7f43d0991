# The light models are among the official cases. What the networks are compared with is made by a test that all others
# of this program wait for.
add_dependencies(models_tests dlc_onnx_cases)
add_test(NAME models/references COMMAND "${PROJECT_SOURCE_DIR}/tests/models/references.sh" "${DLC_SHARED}" "${DLC_DEPS}")
set_tests_properties(models/references PROPERTIES LABELS models FIXTURES_SETUP model_references TIMEOUT 900
                     SKIP_RETURN_CODE 77)
set(properties_file "${PROJECT_BINARY_DIR}/models_properties.cmake")
file(WRITE "${properties_file}"
     "set_tests_properties(\${models_tests_TESTS} PROPERTIES FIXTURES_REQUIRED model_references TIMEOUT 600)\n")
set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${properties_file}")
