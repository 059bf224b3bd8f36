#include "config/token_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tally::config {
namespace {

class token_file : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "token-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    ::setenv("XDG_STATE_HOME", (folder_ + "/state").c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("XDG_STATE_HOME");
    std::filesystem::remove_all(folder_);
  }
  std::string folder_;
};

TEST_F(token_file, a_written_token_is_found_by_port_and_readable_by_its_user_alone) {
  ASSERT_TRUE(write_token(folder_, 7700, "secret"));
  EXPECT_EQ(*read_token(token_path(7700)), "secret");
  EXPECT_EQ(*read_token(folder_ + "/console.token"), "secret");
  struct stat facts {};
  ASSERT_EQ(::stat(token_path(7700).c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0600U);
}

TEST_F(token_file, a_token_that_others_may_read_is_refused) {
  const auto path = folder_ + "/open";
  std::ofstream{path} << "secret\n";
  ::chmod(path.c_str(), 0644);
  EXPECT_EQ(read_token(path).error().code, errc::unauthorized);
  EXPECT_EQ(read_token(folder_ + "/none").error().code, errc::not_found);
}

TEST_F(token_file, removing_leaves_the_token_of_a_newer_node) {
  ASSERT_TRUE(write_token(folder_, 7700, "old"));
  ASSERT_TRUE(write_token(folder_, 7700, "new"));
  remove_token(folder_, 7700, "old");
  EXPECT_EQ(*read_token(token_path(7700)), "new");
  remove_token(folder_, 7700, "new");
  EXPECT_EQ(read_token(token_path(7700)).error().code, errc::not_found);
}

}  // namespace
}  // namespace tally::config
