# What the tests add to the example: a shared library with all that it takes, and targets of our folders' names.
add_library(nn SHARED main.cc)
target_link_libraries(nn PRIVATE nnkernels::kernels nnkernels::nn)
target_link_options(nn PRIVATE LINKER:-z,defs)
add_library(kernels ALIAS nn)
