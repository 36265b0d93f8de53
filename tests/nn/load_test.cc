#include "nn/data/load.h"

#include <algorithm>
#include <stdexcept>

#include "nn/data/file.h"
#include "nn/data/image_folder.h"
#include "nn/data/npy.h"
#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

TrainTest sample(std::int64_t c) {
  TrainTest sets{.train = {.name = "train",
                           .n = 5,
                           .h = 2,
                           .w = 3,
                           .c = c,
                           .pixels = {},
                           .labels = {2, 0, 1, 1, 0},
                           .classes = 3},
                 .test = {.name = "test",
                          .n = 2,
                          .h = 2,
                          .w = 3,
                          .c = c,
                          .pixels = {},
                          .labels = {0, 2},
                          .classes = 3}};
  for (Dataset* data : {&sets.train, &sets.test}) {
    for (std::int64_t i = 0; i < data->n * 6 * c; ++i) {
      data->pixels.push_back(static_cast<std::uint8_t>(i * 37 % 256));
    }
  }
  return sets;
}

void expect_same(const TrainTest& expected, const TrainMaybeTest& found) {
  ASSERT_TRUE(found.test);
  for (const auto& [a, b] :
       {std::pair(&expected.train, &found.train), std::pair(&expected.test, &*found.test)}) {
    EXPECT_EQ(a->n, b->n);
    EXPECT_EQ(a->h, b->h);
    EXPECT_EQ(a->w, b->w);
    EXPECT_EQ(a->c, b->c);
    EXPECT_EQ(a->pixels, b->pixels);
    EXPECT_EQ(a->labels, b->labels);
    EXPECT_EQ(a->classes, b->classes);
    EXPECT_EQ(a->full, b->full);
    EXPECT_EQ(a->class_names, b->class_names);
  }
}

TEST(SaveDataset, EveryFormatGivesEveryOtherOne) {
  const TempFolder folder;
  for (const std::int64_t c : {1, 3}) {
    const CsvOptions shape{.image = ImageShape{.h = 2, .w = 3, .c = c}};
    const TrainTest first = sample(c);
    TrainTest sets = first;
    const std::string stem = "c" + std::to_string(c);
    for (const char* end : {".csv", ".npz", "_idx", ".csv.gz", "_again.npz"}) {
      SCOPED_TRACE(stem + end);
      const std::vector<std::string> files = save_dataset(folder.file(stem + end), sets);
      const bool is_folder = std::string(end) == "_idx";
      const LoadedData loaded = load_dataset(is_folder ? folder.file(stem + end) : files[0], shape);
      expect_same(first, loaded.sets);
      sets = {.train = loaded.sets.train, .test = *loaded.sets.test};
    }
#if NNKERNELS_HAVE_PNG
    write_image_folder(sets, folder.file(stem + "_png"));
    expect_same(first, load_dataset(folder.file(stem + "_png")).sets);
    EXPECT_THROW(write_image_folder(sets, folder.file(stem + "_png")), WriteError);
#endif
  }
}

TEST(SaveDataset, ReplacesNoFile) {
  const TempFolder folder;
  const std::string old = folder.put("x.npz", bytes_of_text("old"));
  folder.put("a_test.csv", bytes_of_text("old"));
  folder.put("b_train.csv.gz", bytes_of_text("old"));
  std::filesystem::create_symlink("nowhere", folder.file("c.npz"));
  const std::vector<std::string> before = folder.names();
  TrainTest alone = sample(1);
  alone.test.n = 0;
  for (const char* name : {"x.npz", "a.csv", "a_train.csv", "b.csv.gz", "c.npz"}) {
    for (const TrainTest& sets : {sample(1), alone}) {
      EXPECT_THROW(save_dataset(folder.file(name), sets), WriteError) << name;
      EXPECT_EQ(folder.names(), before) << name;
    }
  }
  EXPECT_EQ(read_file(old, 10), bytes_of_text("old"));
}

TEST(SaveDataset, FillsAFolderThatCannotBeReplaced) {
  const TempFolder folder;
  std::filesystem::create_directory(folder.file("real"));
  std::filesystem::create_directory_symlink("real", folder.file("link"));
  EXPECT_EQ(save_dataset(folder.file("link"), sample(1)).size(), 4u);
  expect_same(sample(1), load_dataset(folder.file("real")).sets);
  EXPECT_EQ(folder.names().size(), 2u);
  EXPECT_THROW(save_dataset(folder.file("no/such.npz"), sample(1)), WriteError);
  EXPECT_EQ(save_dataset(folder.file("new/idx"), sample(1)).size(), 4u);
}

TEST(SaveDataset, LeavesNothingWhenItIsStopped) {
  const TempFolder folder;
  for (const char* name : {"x.csv", "x.csv.gz", "x.npz", "idx"}) {
    int questions = 0;
    save_dataset(folder.file(name), sample(1), [&] { return ++questions < 0; });
    EXPECT_GT(questions, 1) << name;
    const std::vector<std::string> before = folder.names();
    const std::string other = folder.file(std::string("other_") + name);
    for (int stop = 1; stop <= questions; ++stop) {
      int asked = 0;
      EXPECT_TRUE(save_dataset(other, sample(1), [&] { return ++asked == stop; }).empty());
      EXPECT_EQ(asked, stop) << name;
      EXPECT_EQ(folder.names(), before) << name;
    }
  }
}

TEST(SaveDataset, RefusesWhatAFormatCannotHold) {
  const TempFolder folder;
  TrainTest floats = sample(1);
  for (Dataset* data : {&floats.train, &floats.test}) {
    data->values.assign(data->pixels.begin(), data->pixels.end());
    data->pixels.clear();
  }
  EXPECT_THROW(save_dataset(folder.file("x.csv"), floats), std::invalid_argument);
  EXPECT_THROW(save_dataset(folder.file("idx"), floats), std::invalid_argument);
  EXPECT_THROW(save_dataset(folder.file("x.txt"), sample(1)), std::invalid_argument);
  EXPECT_THROW(write_image_folder(floats, folder.file("png")), std::invalid_argument);
  EXPECT_TRUE(folder.names().empty());
}

#if NNKERNELS_HAVE_PNG
TEST(ReadImageFolder, SortsNamesAndCountsEmptyClasses) {
  const TempFolder folder;
  TrainTest sets = sample(1);
  sets.train.class_names = sets.test.class_names = {"cat", "dog", "otter"};
  sets.train.labels = {2, 0, 2, 2, 0};
  write_image_folder(sets, folder.file("png"));
  expect_same(sets, read_image_folder(folder.file("png")));
}

TEST(WriteImageFolder, LeavesNothingWhenItIsStopped) {
  const TempFolder folder;
  int asked = 0;
  EXPECT_FALSE(write_image_folder(sample(1), folder.file("png"), [&] { return ++asked > 0; }));
  EXPECT_GT(asked, 0);
  EXPECT_TRUE(folder.names().empty());
}

TEST(ReadImageFolder, RefusesOtherFilesSizesAndDamage) {
  const TempFolder folder;
  write_image_folder(sample(1), folder.file("png"));
  const auto error_with = [&](const std::string& name, const Bytes& bytes) {
    const std::string path = folder.put("png/train/0/" + name, bytes);
    const std::string message = file_error(path, [&] { read_image_folder(folder.file("png")); });
    std::filesystem::remove(path);
    return message;
  };
  EXPECT_TRUE(contains(error_with("x.jpg", {}), "expected images only"));
  EXPECT_TRUE(contains(error_with("x.png", bytes_of_text("GIF89a")), "expected a PNG"));
  EXPECT_TRUE(contains(error_with("x.pgm", bytes_of_text("P5 1 1 255 x")),
                       "expected an image of 2 x 3, grey"));
  EXPECT_TRUE(contains(error_with("x.ppm", bytes_of_text("P6 3 2 255 ABCDEFGHIJKLMNOPQR")),
                       "found 2 x 3, in colour"));
}
#endif

TEST(LoadDataset, FindsTheTestSetBesideTheTrainingSet) {
  const TempFolder folder;
  folder.put("a_train.csv", bytes_of_text("0,1\n1,2\n"));
  EXPECT_FALSE(load_dataset(folder.path()).sets.test);
  folder.put("a_test.csv", bytes_of_text("5,3\n"));
  const LoadedData data = load_dataset(folder.path());
  ASSERT_TRUE(data.sets.test);
  EXPECT_EQ(data.sets.train.classes, 6);
  EXPECT_EQ(load_test_set(folder.file("a_train.csv")).sets.test->labels[0], 5);
}

TEST(LoadDataset, ReadsAFolderOfArrays) {
  const TempFolder folder;
  const Bytes x = npy_file({.shape = {2, 1, 3}, .bytes = {0, 50, 255, 4, 5, 6}});
  const Bytes y = npy_file({.shape = {2}, .bytes = {1, 0}});
  const auto error = [&] {
    return file_error(folder.path(), [&] { load_dataset(folder.path()); });
  };
  folder.put("x.npy", x);
  EXPECT_TRUE(contains(error(),
                       "no array y; expected x_train, y_train, x_test and y_test, or x "
                       "and y, found \"x.npy\""));
  folder.put("y.npy", y);
  LoadedData loaded = load_dataset(folder.path());
  EXPECT_EQ(format_name(loaded.format), "NPY");
  EXPECT_FALSE(loaded.sets.test);
  EXPECT_EQ(loaded.sets.train.w, 3);
  EXPECT_EQ(loaded.sets.train.labels, (std::vector<std::int32_t>{1, 0}));

  for (const char* name : {"x_train.npy", "x_test.npy"}) folder.put(name, x);
  folder.put("y_train.npy", y);
  EXPECT_TRUE(contains(error(), "no array y_test"));
  folder.put("y_test.npy", y);
  loaded = load_dataset(folder.path());
  ASSERT_TRUE(loaded.sets.test);
  EXPECT_EQ(loaded.sets.train.pixels, loaded.sets.test->pixels);
  EXPECT_EQ(load_test_set(folder.path()).sets.test->labels, loaded.sets.train.labels);

  folder.put("y_train.npy", npy_file({.shape = {1}, .bytes = {1}}));
  EXPECT_TRUE(contains(error(), "y_train: expected 2 labels"));
  const std::string cut = folder.put("y_train.npy", {y.begin(), y.end() - 1});
  EXPECT_FALSE(file_error(cut, [&] { load_dataset(folder.path()); }).empty());
}

TEST(LoadDataset, SaysWhatIsNoDataSet) {
  const TempFolder folder;
  const auto error_of = [](const std::string& path) {
    return file_error(path, [&] { load_dataset(path); });
  };
  EXPECT_TRUE(contains(error_of(folder.path()), "no data set in this folder"));
  EXPECT_TRUE(contains(error_of(folder.file("none")), "no such file or folder"));
  EXPECT_TRUE(contains(error_of(folder.put("x.npz", bytes_of_text("no zip"))),
                       "found no central directory"));
  EXPECT_TRUE(
      contains(error_of(folder.put("y.npy", {})), "give the folder that holds x_train.npy"));
  for (const char* name : {"y.png", "y.PGM"}) {
    EXPECT_TRUE(contains(error_of(folder.put(name, {})), "is one image; a data set is a folder"));
  }
  EXPECT_TRUE(contains(error_of(folder.put("x.csv", bytes_of_text("0,1,1\n0,2,2\n"))),
                       "if they are in the last column, CsvOptions::label must say so, in nncli "
                       "--label last"));
}

}  // namespace
}  // namespace nnkernels::nn
