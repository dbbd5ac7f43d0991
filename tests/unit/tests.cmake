# These tests build ONNX messages of their own.
if(TARGET ops_tests)
  target_sources(ops_tests PRIVATE "${PROJECT_SOURCE_DIR}/tests/unit/frontend/model_text.cpp")
endif()
foreach(program frontend_tests ops_tests)
  if(TARGET ${program})
    target_link_libraries(${program} PRIVATE ONNX::onnx protobuf::libprotobuf)
  endif()
endforeach()
