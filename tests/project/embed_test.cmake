# Builds and runs the example of README.md in a project of its own that embeds this one.
#   cmake -D SOURCE=... -D BINARY=... -D GENERATOR=... -D COMPILER=... -P embed_test.cmake
include(${CMAKE_CURRENT_LIST_DIR}/build_example.cmake)
file(REMOVE_RECURSE ${BINARY}/prefix)
file(MAKE_DIRECTORY ${BINARY})
file(CREATE_LINK ${SOURCE} ${BINARY}/nnkernels SYMBOLIC)
build_example(embed -D CMAKE_CXX_FLAGS=-DHWY_COMPILE_ONLY_STATIC -D NNKERNELS_UNITY=ON)

# Somebody else's project gets the libraries, not the programs, tests and benchmarks.
foreach(name IN ITEMS cli tests bench)
  if(EXISTS ${BINARY}/build/nnkernels/${name})
    message(FATAL_ERROR "${name} became part of the project that embeds this one")
  endif()
endforeach()
# It has nothing to install, and nor has this one unless it is asked to.
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BINARY}/build --prefix ${BINARY}/prefix
                COMMAND_ERROR_IS_FATAL ANY)
if(EXISTS ${BINARY}/prefix)
  message(FATAL_ERROR "${BINARY}/prefix: what nobody asked to install")
endif()
