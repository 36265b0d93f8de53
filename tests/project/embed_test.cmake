# Builds and runs the example of README.md in a project of its own that embeds this one.
#   cmake -D SOURCE=... -D BINARY=... -D GENERATOR=... -D COMPILER=... -P embed_test.cmake
file(MAKE_DIRECTORY ${BINARY})
foreach(name IN ITEMS CMakeLists.txt main.cc)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/embed/${name} ${BINARY}/${name} COPYONLY)
endforeach()
file(CREATE_LINK ${SOURCE} ${BINARY}/nnkernels SYMBOLIC)

execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${BINARY} -B ${BINARY}/build -G ${GENERATOR}
          -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_BUILD_TYPE=Debug
          -D CMAKE_CXX_FLAGS=-DHWY_COMPILE_ONLY_STATIC -D NNKERNELS_UNITY=ON
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BINARY}/build COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${BINARY}/build/example OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)

file(READ ${CMAKE_CURRENT_LIST_DIR}/embed/output.txt expected)
if(NOT output STREQUAL expected)
  message(FATAL_ERROR "expected\n${expected}got\n${output}")
endif()
# Somebody else's project gets the libraries, not the programs, tests and benchmarks.
foreach(name IN ITEMS cli tests bench)
  if(EXISTS ${BINARY}/build/nnkernels/${name})
    message(FATAL_ERROR "${name} became part of the project that embeds this one")
  endif()
endforeach()
