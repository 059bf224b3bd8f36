// Its headers do not say that they are C.
extern "C" {
#include <libloc/database.h>
#include <libloc/libloc.h>
#include <libloc/network.h>
}

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "api/geo_database.hpp"

namespace tally::api {
namespace {

struct context_deleter {
  void operator()(loc_ctx* c) const { loc_unref(c); }
};
struct database_deleter {
  void operator()(loc_database* d) const { loc_database_unref(d); }
};
struct network_deleter {
  void operator()(loc_network* n) const { loc_network_unref(n); }
};
struct file_closer {
  void operator()(std::FILE* f) const { std::fclose(f); }
};

class libloc_reader : public geo_reader {
 public:
  libloc_reader(std::unique_ptr<loc_ctx, context_deleter> context,
                std::unique_ptr<loc_database, database_deleter> database)
      : context_{std::move(context)}, database_{std::move(database)} {}

  geo_place look_up(const in6_addr& address) override {
    loc_network* found = nullptr;
    const int failed = loc_database_lookup(database_.get(), &address, &found);
    const std::unique_ptr<loc_network, network_deleter> network{found};
    if (failed != 0 || !network) return {};
    const char* const code = loc_network_get_country_code(network.get());
    return {country_text(code == nullptr ? "" : code), kind_of(network.get())};
  }

  [[nodiscard]] std::string describe() const override {
    return "libloc " + day_text(loc_database_created_at(database_.get()));
  }

 private:
  static std::string_view kind_of(loc_network* network) {
    if (loc_network_has_flag(network, LOC_NETWORK_FLAG_DROP) != 0) return "drop";
    if (loc_network_has_flag(network, LOC_NETWORK_FLAG_ANONYMOUS_PROXY) != 0) return "proxy";
    return kind_of_network(loc_network_get_asn(network));
  }

  std::unique_ptr<loc_ctx, context_deleter> context_;
  std::unique_ptr<loc_database, database_deleter> database_;
};

}  // namespace

result<std::unique_ptr<geo_reader>> open_libloc(const std::string& path) {
  const std::unique_ptr<std::FILE, file_closer> file{std::fopen(path.c_str(), "rbe")};
  if (!file) return failure{errc::not_found, path + ": " + std::strerror(errno)};
  loc_ctx* context = nullptr;
  if (loc_new(&context) != 0) return failure{errc::io_error, "libloc does not start"};
  std::unique_ptr<loc_ctx, context_deleter> owned{context};
  // It would write to stderr in its own way.
  loc_set_log_fn(context,
                 [](loc_ctx*, int, const char*, int, const char*, const char*, va_list) {});
  loc_database* database = nullptr;
  if (loc_database_new(context, &database, file.get()) != 0 || database == nullptr)
    return failure{errc::bad_option, path + ": is no database of libloc"};
  return std::unique_ptr<geo_reader>{std::make_unique<libloc_reader>(
      std::move(owned), std::unique_ptr<loc_database, database_deleter>{database})};
}

}  // namespace tally::api
