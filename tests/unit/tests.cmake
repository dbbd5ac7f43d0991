# These tests build ONNX messages of their own.
foreach(program frontend_tests fuzz_tests)
  if(TARGET ${program})
    target_link_libraries(${program} PRIVATE ONNX::onnx protobuf::libprotobuf)
  endif()
endforeach()
