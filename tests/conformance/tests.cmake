# The test rewrites the models of the cases.
target_link_libraries(conformance_tests PRIVATE ONNX::onnx protobuf::libprotobuf)
