# build_example(FOLDER OPTIONS...): builds the example of README.md in BINARY, with the CMakeLists.txt of FOLDER and
# these options of CMake, and what shared_library.cmake adds; then runs it.
function(build_example folder)
  set(here ${CMAKE_CURRENT_FUNCTION_LIST_DIR})
  file(COPY ${here}/${folder}/CMakeLists.txt ${here}/embed/main.cc DESTINATION ${BINARY})
  execute_process(
    COMMAND ${CMAKE_COMMAND} -S ${BINARY} -B ${BINARY}/build -G ${GENERATOR}
            -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_BUILD_TYPE=Debug
            -D CMAKE_PROJECT_example_INCLUDE=${here}/embed/shared_library.cmake ${ARGN}
    COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${BINARY}/build COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${BINARY}/build/example OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)

  file(READ ${here}/embed/output.txt expected)
  if(NOT output STREQUAL expected)
    message(FATAL_ERROR "expected\n${expected}got\n${output}")
  endif()
endfunction()
