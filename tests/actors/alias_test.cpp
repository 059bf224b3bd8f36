#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>

#include "actors/engine.hpp"
#include "persistence/registry.hpp"

namespace tally::actors {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
constexpr std::chrono::seconds patience{60};

class alias_test : public ::testing::Test {
 protected:
  alias_test() {
    options.data_dir =
        (fs::temp_directory_path() / ("tally-alias-" + std::to_string(getpid()))).string();
    fs::remove_all(options.data_dir);
    start();
    for (const auto* id : {"shop", "other"}) EXPECT_TRUE(run({"merchant", "create", id}));
  }
  ~alias_test() override {
    node.reset();
    fs::remove_all(options.data_dir);
  }
  void start() {
    node.reset();
    auto started = engine::start(options);
    if (!started) throw std::runtime_error{started.error().text()};
    node = std::move(*started);
  }
  template <class T>
  static result<T> wait(const std::function<void(callback<T>)>& call) {
    auto promise = std::make_shared<std::promise<result<T>>>();
    auto future = promise->get_future();
    call([promise](result<T> r) { promise->set_value(std::move(r)); });
    if (future.wait_for(patience) != std::future_status::ready)
      throw std::runtime_error{"no answer"};
    return future.get();
  }
  result<std::string> run(std::vector<std::string> words) {
    return wait<std::string>([&](auto then) { node->command(std::move(words), std::move(then)); });
  }
  errc refused(std::vector<std::string> words) {
    const auto reply = run(std::move(words));
    return reply ? errc{} : reply.error().code;
  }
  /// The merchant, or "" where the alias is unknown.
  std::string find(const std::string& alias) {
    const auto found =
        wait<alias_facts>([&](auto then) { node->find_alias(alias, std::move(then)); });
    if (found) return found->merchant;
    EXPECT_EQ(found.error().code, errc::not_found);
    return {};
  }
  std::vector<std::string> listed(const std::string& merchant) {
    const auto reply = run({"merchant", "alias", "list", merchant});
    std::vector<std::string> all;
    const auto answer = json::parse(reply ? *reply : "{}");
    for (const auto& a : answer["aliases"]) all.push_back(a["alias"]);
    return all;
  }

  engine_options options;
  std::unique_ptr<engine> node;
};

TEST_F(alias_test, an_alias_stands_for_its_merchant_also_after_a_restart) {
  EXPECT_EQ(find("plausible:shop.example"), "");
  ASSERT_TRUE(run({"merchant", "alias", "add", "shop", "plausible:Shop.example"}));
  ASSERT_TRUE(run({"merchant", "alias", "add", "shop", "ga4:G-ABC"}));
  EXPECT_EQ(find("plausible:shop.example"), "shop");
  start();
  EXPECT_EQ(find("plausible:shop.example"), "shop");
  EXPECT_EQ(find("ga4:G-ABC"), "shop");
  EXPECT_EQ(listed("shop"), (std::vector<std::string>{"ga4:G-ABC", "plausible:shop.example"}));
  EXPECT_EQ(listed("other"), std::vector<std::string>{});
}

TEST_F(alias_test, an_alias_belongs_to_one_merchant_until_it_is_removed) {
  ASSERT_TRUE(run({"merchant", "alias", "add", "shop", "matomo:7"}));
  EXPECT_TRUE(run({"merchant", "alias", "add", "shop", "matomo:7"})) << "again is the same";
  EXPECT_EQ(refused({"merchant", "alias", "add", "other", "matomo:7"}), errc::conflict);
  EXPECT_EQ(refused({"merchant", "alias", "remove", "other", "matomo:7"}), errc::not_found);
  ASSERT_TRUE(run({"merchant", "alias", "remove", "shop", "matomo:7"}));
  EXPECT_EQ(find("matomo:7"), "");
  EXPECT_TRUE(listed("shop").empty());
  EXPECT_EQ(refused({"merchant", "alias", "remove", "shop", "matomo:7"}), errc::not_found);
  EXPECT_TRUE(run({"merchant", "alias", "add", "other", "matomo:7"}));
  EXPECT_EQ(find("matomo:7"), "other");
}

TEST_F(alias_test, a_deleted_merchant_leaves_no_alias) {
  ASSERT_TRUE(run({"merchant", "alias", "add", "shop", "segment:abc"}));
  ASSERT_TRUE(run({"merchant", "delete", "shop"}));
  EXPECT_EQ(find("segment:abc"), "");
  EXPECT_TRUE(run({"merchant", "alias", "add", "other", "segment:abc"}));
}

TEST_F(alias_test, words_that_are_no_alias_are_refused) {
  EXPECT_EQ(refused({"merchant", "alias", "add", "nobody", "matomo:7"}), errc::not_found);
  for (const auto* alias : {"matomo", "matomo:", "matomo:x", "mailchimp:1", "plausible:a b", ":x"})
    EXPECT_EQ(refused({"merchant", "alias", "add", "shop", alias}), errc::bad_request) << alias;
  EXPECT_EQ(refused({"merchant", "alias", "add", "shop"}), errc::bad_request);
  EXPECT_EQ(refused({"merchant", "alias", "rename", "shop", "matomo:7"}), errc::bad_request);
  EXPECT_EQ(refused({"merchant", "alias"}), errc::bad_request);
}

TEST(alias_text, folds_case_where_the_protocol_does) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"plausible:Shop.Example", "plausible:shop.example"},
      {"umami:94DB1CB1-74F4-4A40-AD6C-962362670409", "umami:94db1cb1-74f4-4a40-ad6c-962362670409"},
      {"ga4:G-ABC", "ga4:G-ABC"},
      {"segment:id:secret", "segment:id:secret"},
      {"matomo:12", "matomo:12"},
      {"matomo:1x", ""},
      {"plausible:\x7f", ""},
      {"none:x", ""}};
  for (const auto& [given, text] : cases) EXPECT_EQ(persistence::alias_text(given), text) << given;
  EXPECT_EQ(persistence::alias_text("plausible:" + std::string(201, 'a')), "");
}

}  // namespace
}  // namespace tally::actors
