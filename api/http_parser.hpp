#pragma once

// Knows Beast, as does api/web_socket.cpp; included by api/http_connection.cpp alone.
#include "api/asio.hpp"
//
#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/compression.hpp"
#include "api/http_budget.hpp"
#include "api/http_message.hpp"
#include "api/http_server.hpp"

namespace tally::api {

/// Why a request cannot be taken; the connection ends with this answer.
struct http_refusal {
  unsigned status = 400;
  std::string_view code;
  std::string_view detail;
  unsigned retry_after_s = 0;
};

/// Reads one request from pieces of a byte stream, content encoding removed, limits kept.
class http_parser final : public boost::beast::http::basic_parser<true> {
 public:
  enum class progress : std::uint8_t { need_more, complete, refused };

  http_parser(const http_options& options, http_budget& budget);
  ~http_parser() override;
  http_parser(const http_parser&) = delete;
  http_parser& operator=(const http_parser&) = delete;

  /// Takes bytes from the front of `bytes` and removes them. After complete or refused it must not
  /// be called again.
  progress feed(std::string_view& bytes);

  [[nodiscard]] bool has_head() const { return has_head_; }
  [[nodiscard]] bool expects_continue() const { return expects_continue_; }
  [[nodiscard]] bool is_http10() const { return version_ == 10; }
  [[nodiscard]] const http_refusal& refusal() const { return refusal_; }
  [[nodiscard]] http_request& request() { return request_; }
  /// Encoded body bytes that arrived.
  [[nodiscard]] std::uint64_t body_bytes_seen() const { return body_bytes_seen_; }
  /// What the body took from the budget. The caller gives it back.
  [[nodiscard]] std::size_t release_charge() { return std::exchange(charged_, 0); }

 private:
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;

  void on_request_impl(boost::beast::http::verb method, string_view method_text, string_view target,
                       int version, error_code& error) override;
  void on_field_impl(boost::beast::http::field id, string_view name, string_view value,
                     error_code& error) override;
  void on_header_impl(error_code& error) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& size, error_code& error) override;
  std::size_t on_body_impl(string_view piece, error_code& error) override;
  void on_chunk_header_impl(std::uint64_t size, string_view extensions, error_code& error) override;
  std::size_t on_chunk_body_impl(std::uint64_t left, string_view piece, error_code& error) override;
  void on_finish_impl(error_code& error) override;
  void on_response_impl(int, string_view, int, error_code&) override {}

  void set_target(std::string_view target, error_code& error);
  void take_body(std::string_view piece, error_code& error);
  bool charge();
  void refuse(const http_refusal& why, error_code& error);
  void refuse_for(const error_code& error);

  const http_options& options_;
  http_budget& budget_;
  http_request request_;
  http_refusal refusal_;
  std::optional<body_decoder> decoder_;
  std::uint64_t body_bytes_seen_ = 0;
  std::size_t head_bytes_ = 0, charged_ = 0;
  int version_ = 11;
  unsigned hosts_ = 0;
  bool has_head_ = false, expects_continue_ = false, refused_ = false;
  bool has_transfer_encoding_ = false;
  content_encoding encoding_ = content_encoding::identity;
};

}  // namespace tally::api
