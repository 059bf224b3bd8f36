#include "api/http_parser.hpp"

#include <algorithm>

namespace tally::api {

namespace http = boost::beast::http;

namespace {

constexpr std::size_t first_reserve = 64 << 10;

http_method method_of(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return http_method::get;
    case http::verb::head:
      return http_method::head;
    case http::verb::post:
      return http_method::post;
    case http::verb::put:
      return http_method::put;
    case http::verb::patch:
      return http_method::patch;
    case http::verb::delete_:
      return http_method::delete_;
    case http::verb::options:
      return http_method::options;
    default:
      return http_method::other;
  }
}

std::string_view std_view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

constexpr http_refusal bad_request(std::string_view detail) {
  return {400, "bad_request", detail, 0};
}
constexpr http_refusal head_too_large{431, "header_too_large",
                                      "request line and header fields are over the limit", 0};
constexpr http_refusal body_too_large{413, "body_too_large", "the body is over the limit", 0};
constexpr http_refusal corrupt_body{400, "bad_encoding",
                                    "the body does not decode as its Content-Encoding says", 0};
constexpr http_refusal no_memory{503, "overloaded", "too many bodies are being read", 1};

}  // namespace

http_parser::http_parser(const http_options& options, http_budget& budget)
    : options_{options}, budget_{budget} {
  eager(true);
  header_limit(static_cast<std::uint32_t>(options.header_bytes_max));
  body_limit(options.encoded_body_bytes_max);
}

http_parser::~http_parser() {
  budget_.give_back(charged_);
}

http_parser::progress http_parser::feed(std::string_view& bytes) {
  error_code error;
  const auto used = put({bytes.data(), bytes.size()}, error);
  bytes.remove_prefix(used);
  if (error && error != http::error::need_more) {
    if (!refused_) refuse_for(error);
    return progress::refused;
  }
  return is_done() ? progress::complete : progress::need_more;
}

void http_parser::refuse(const http_refusal& why, error_code& error) {
  refused_ = true;
  refusal_ = why;
  error = http::error::bad_value;
}

void http_parser::refuse_for(const error_code& error) {
  if (error == http::error::header_limit)
    refusal_ = head_too_large;
  else if (error == http::error::body_limit)
    refusal_ = body_too_large;
  else if (error == http::error::bad_version)
    refusal_ = {505, "bad_version", "only HTTP/1.0 and HTTP/1.1 are spoken here", 0};
  else if (error == http::error::bad_chunk || error == http::error::bad_chunk_extension)
    refusal_ = bad_request("malformed chunked encoding");
  else if (error == http::error::bad_content_length)
    refusal_ = bad_request("malformed or contradicting Content-Length");
  else if (error == http::error::bad_transfer_encoding)
    refusal_ = bad_request("malformed or contradicting Transfer-Encoding");
  else
    refusal_ = bad_request("malformed request line or header field");
}

void http_parser::on_request_impl(http::verb method, string_view, string_view target, int version,
                                  error_code& error) {
  version_ = version;
  request_.method = method_of(method);
  head_bytes_ = target.size() + sizeof "OPTIONS HTTP/1.1";
  set_target(std_view(target), error);
}

void http_parser::set_target(std::string_view target, error_code& error) {
  if (const auto scheme = target.find("://"); target.front() != '/' && scheme < 6) {
    target.remove_prefix(scheme + 3);  // absolute form, which proxies send
    target.remove_prefix(std::min(target.size(), target.find_first_of("/?")));
    if (target.empty() || target.front() == '?') {
      request_.path = "/";
      if (!target.empty()) request_.query = target.substr(1);
      return;
    }
  }
  if (target.front() != '/' && !(target == "*" && request_.method == http_method::options))
    return refuse(bad_request("the request target must begin with '/'"), error);
  const auto end = std::min(target.find('?'), target.size());
  request_.path = target.substr(0, end);
  if (end < target.size()) request_.query = target.substr(end + 1);
}

void http_parser::on_field_impl(http::field id, string_view name, string_view value,
                                error_code& error) {
  head_bytes_ += name.size() + value.size() + 4;
  if (head_bytes_ > options_.header_bytes_max) return refuse(head_too_large, error);
  if (has_head_) return;  // a trailer field: nobody asked for it
  switch (id) {
    case http::field::host:
      ++hosts_;
      break;
    case http::field::transfer_encoding:
      has_transfer_encoding_ = true;
      if (!same_token(std_view(value), "chunked"))
        return refuse({501, "bad_transfer_encoding", "only chunked is understood", 0}, error);
      break;
    case http::field::content_encoding:
      if (encoding_ != content_encoding::identity)
        encoding_ = content_encoding::unknown;
      else
        encoding_ = parse_encoding(std_view(value));
      break;
    case http::field::expect:
      if (!same_token(std_view(value), "100-continue"))
        return refuse({417, "bad_expectation", "only 100-continue can be expected", 0}, error);
      expects_continue_ = version_ > 10;
      break;
    default:
      break;
  }
  request_.headers.add(std_view(name), std_view(value));
}

void http_parser::on_header_impl(error_code& error) {
  has_head_ = true;
  request_.keep_alive = keep_alive();
  if (hosts_ > 1 || (hosts_ == 0 && version_ > 10))
    return refuse(bad_request("exactly one Host field is required"), error);
  if (has_transfer_encoding_ && version_ == 10)
    return refuse(bad_request("HTTP/1.0 has no Transfer-Encoding"), error);
  if (encoding_ == content_encoding::unknown)
    return refuse(
        {415, "unknown_encoding", "Content-Encoding must be gzip, deflate, zstd or identity", 0},
        error);
  if (encoding_ == content_encoding::identity &&
      content_length().value_or(0) > options_.body_bytes_max)
    return refuse(body_too_large, error);
}

void http_parser::on_body_init_impl(const boost::optional<std::uint64_t>& size, error_code&) {
  if (encoding_ != content_encoding::identity) decoder_.emplace(encoding_);
  const auto wanted = std::min<std::uint64_t>(size.value_or(0), first_reserve);
  if (wanted > 0) request_.body.reserve(static_cast<std::size_t>(wanted) + body_padding);
}

std::size_t http_parser::on_body_impl(string_view piece, error_code& error) {
  take_body(std_view(piece), error);
  return piece.size();
}

void http_parser::on_chunk_header_impl(std::uint64_t, string_view, error_code&) {}

std::size_t http_parser::on_chunk_body_impl(std::uint64_t, string_view piece, error_code& error) {
  take_body(std_view(piece), error);
  return piece.size();
}

void http_parser::take_body(std::string_view piece, error_code& error) {
  body_bytes_seen_ += piece.size();
  auto& body = request_.body;
  if (!decoder_) {
    if (body.size() + piece.size() > options_.body_bytes_max) return refuse(body_too_large, error);
    body.append(piece);
  } else {
    const auto outcome = decoder_->write(piece, body, options_.body_bytes_max);
    if (outcome == body_decoder::outcome::too_large) return refuse(body_too_large, error);
    if (outcome == body_decoder::outcome::corrupt) return refuse(corrupt_body, error);
  }
  if (!charge()) refuse(no_memory, error);
}

bool http_parser::charge() {
  const auto held = request_.body.capacity() + (decoder_ ? decoder_->memory_bytes() : 0);
  if (held <= charged_) return true;
  if (!budget_.take(held - charged_)) return false;
  charged_ = held;
  return true;
}

void http_parser::on_finish_impl(error_code& error) {
  if (decoder_ && decoder_->finish() != body_decoder::outcome::ok)
    return refuse(corrupt_body, error);
  auto& body = request_.body;
  if (body.empty()) return;
  const auto size = body.size();
  body.append(body_padding, '\0');  // the capacity and the zeros stay when it shrinks again
  body.resize(size);
  if (!charge()) refuse(no_memory, error);
}

}  // namespace tally::api
