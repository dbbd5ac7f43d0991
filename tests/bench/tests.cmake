# Benchmarks are programs beside the tests; none of them is run by ctest.
add_executable(contraction_bench EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/tests/bench/contraction_bench.cpp")
target_link_libraries(contraction_bench PRIVATE dlc dlc_llvm dlc_options)
