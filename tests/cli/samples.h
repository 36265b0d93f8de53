// Data sets and images for the tests of nncli.
#ifndef NNKERNELS_TESTS_CLI_SAMPLES_H_
#define NNKERNELS_TESTS_CLI_SAMPLES_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace nnkernels::cli::test {

std::string gzip(std::string_view bytes);

/// An IDX file of unsigned bytes.
std::string idx(const std::vector<std::uint32_t>& dims, const std::vector<std::uint8_t>& values);

/// Ten shapes, one a class, that fill MNIST's 20 x 20 box and balance on its centre: [28][28].
/// `ink` is the grey level of the shape, on black.
std::vector<std::uint8_t> shape_image(int label, std::uint8_t ink = 255);

/// Writes a data set of these shapes in varying ink: 200 images to train on and 50 to test on, of
/// 28 x 28 pixels; the training images' file is a .gz.
void write_shapes(const std::filesystem::path& folder);

/// `arguments` with the flags that make training on these shapes short.
std::vector<std::string> train_shapes(const std::filesystem::path& data,
                                      const std::filesystem::path& out,
                                      const std::vector<std::string>& arguments = {});

/// An NPY file of `type` ("<f4", "<i4"); `shape` as Python writes it.
template <class Number>
std::string npy(const std::string& type, const std::string& shape,
                const std::vector<Number>& values) {
  std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + "}";
  header.resize(117, ' ');
  return std::string("\x93NUMPY\x01\0\x76\0", 10) + header + "\n" +
         std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Number));
}

std::string pgm(int w, int h, const std::vector<std::uint8_t>& pixels);
std::string png(int w, int h, const std::vector<std::uint8_t>& pixels);

}  // namespace nnkernels::cli::test

#endif  // NNKERNELS_TESTS_CLI_SAMPLES_H_
