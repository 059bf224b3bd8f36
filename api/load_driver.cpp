#include "api/load_driver.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/write.hpp>
#include <charconv>
#include <memory>

#include "api/asio.hpp"

namespace tally::api {
namespace {

using clock = std::chrono::steady_clock;
using tcp = asio::ip::tcp;

constexpr std::string_view head_end = "\r\n\r\n";

/// The answer at the begin of some bytes.
struct answer_head {
  unsigned status = 0;
  std::size_t head_bytes = 0, body_bytes = 0;
};

/// False where the head is not whole yet. What is no HTTP gives status 0.
bool read_head(std::string_view bytes, answer_head& head) {
  const auto end = bytes.find(head_end);
  if (end == std::string_view::npos) return false;
  head = {0, end + head_end.size(), 0};
  const auto text = bytes.substr(0, end);
  if (text.size() > 12) std::from_chars(text.data() + 9, text.data() + 12, head.status);
  constexpr std::string_view field = "Content-Length: ";
  if (const auto at = text.find(field); at != std::string_view::npos)
    std::from_chars(text.data() + at + field.size(), text.data() + text.size(), head.body_bytes);
  return true;
}

/// All that the connections of one drive share; one thread runs them.
struct driver {
  const drive_options& options;
  const std::function<std::string_view()>& next;
  const std::function<void(std::string_view)>& see;
  asio::io_context loop{1};
  asio::steady_timer watchdog{loop};
  drive_result sum{};
  std::string broken{};
  clock::time_point started{}, last{};
  std::uint64_t given = 0;
  std::size_t open = 0;

  void watch(std::uint64_t seen) {
    watchdog.expires_after(options.patience);
    watchdog.async_wait([this, seen](const boost::system::error_code& error) {
      if (error) return;
      if (seen == sum.answers) {
        broken = "no answer for " + std::to_string(options.patience.count()) + " ms";
        loop.stop();
        return;
      }
      watch(sum.answers);
    });
  }
  void fail(const std::string& why) {
    broken = why;
    loop.stop();
  }
};

/// One kept-alive connection.
class connection {
 public:
  explicit connection(driver& all) : all_{all}, socket_{all.loop}, timer_{all.loop} {}

  bool open(const tcp::endpoint& place) {
    boost::system::error_code error;
    socket_.connect(place, error);
    if (!error) socket_.set_option(tcp::no_delay{true}, error);
    return !error;
  }

  void take_next() {
    request_ = all_.next();
    if (request_.empty()) {
      if (--all_.open == 0) all_.watchdog.cancel();
      return;
    }
    const auto number = static_cast<double>(all_.given++);
    due_ = clock::now();
    if (all_.options.requests_per_s <= 0) return write();
    const auto planned =
        all_.started + std::chrono::duration_cast<clock::duration>(
                           std::chrono::duration<double>{number / all_.options.requests_per_s});
    const bool early = planned > due_;
    due_ = planned;
    if (!early) return write();
    timer_.expires_at(planned);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) write();
    });
  }

 private:
  void write() {
    boost::asio::async_write(socket_, asio::buffer(request_.data(), request_.size()),
                             [this](const boost::system::error_code& error, std::size_t) {
                               if (error) return all_.fail("sending: " + error.message());
                               read();
                             });
  }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_.data() + filled_, buffer_.size() - filled_),
                            [this](const boost::system::error_code& error, std::size_t got) {
                              if (error) return all_.fail("reading: " + error.message());
                              filled_ += got;
                              look();
                            });
  }

  void look() {
    answer_head head;
    const std::string_view bytes{buffer_.data(), filled_};
    const bool whole = read_head(bytes, head) && filled_ >= head.head_bytes + head.body_bytes;
    if (!whole) {
      if (filled_ == buffer_.size()) buffer_.resize(buffer_.size() * 2);
      return read();
    }
    const auto now = clock::now();
    all_.last = now;
    all_.sum.answers += 1;
    all_.sum.latencies_us.push_back(static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now - due_).count()));
    const auto body = bytes.substr(head.head_bytes, head.body_bytes);
    if (head.status == 200) {
      all_.see(body);
    } else if (all_.sum.failures++ == 0) {
      all_.sum.first_failure = std::to_string(head.status) + " " + std::string{body};
    }
    filled_ = 0;
    take_next();
  }

  driver& all_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  std::string_view request_;
  clock::time_point due_{};
  std::vector<char> buffer_ = std::vector<char>(16U << 10U);
  std::size_t filled_ = 0;
};

result<tcp::endpoint> endpoint_of(const std::string& host_port) {
  const auto colon = host_port.rfind(':');
  boost::system::error_code error;
  const auto host = asio::ip::make_address(host_port.substr(0, colon), error);
  std::uint16_t port = 0;
  if (colon != std::string::npos)
    std::from_chars(host_port.data() + colon + 1, host_port.data() + host_port.size(), port);
  if (error || port == 0) return failure{errc::bad_option, host_port + " is no address with port"};
  return tcp::endpoint{host, port};
}

}  // namespace

std::uint32_t drive_result::quantile_us(double q) const {
  if (latencies_us.empty()) return 0;
  const auto at = static_cast<std::size_t>(q * static_cast<double>(latencies_us.size()));
  return latencies_us[std::min(at, latencies_us.size() - 1)];
}

std::string load_request(std::string_view target, std::string_view key, std::string_view body) {
  std::string bytes = "POST ";
  bytes.append(target).append(" HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ").append(key);
  bytes.append("\r\nContent-Type: application/json\r\nContent-Length: ");
  return bytes.append(std::to_string(body.size())).append(head_end).append(body);
}

result<drive_result> drive(const drive_options& options,
                           const std::function<std::string_view()>& next,
                           const std::function<void(std::string_view body)>& see) {
  const auto place = endpoint_of(options.host_port);
  if (!place) return place.error();
  driver all{options, next, see};
  std::vector<std::unique_ptr<connection>> connections;
  for (std::size_t i = 0; i < options.connections; ++i) {
    connections.push_back(std::make_unique<connection>(all));
    if (!connections.back()->open(*place))
      return failure{errc::unavailable, "cannot connect to " + options.host_port};
  }
  all.open = connections.size();
  all.started = all.last = clock::now();
  all.watch(0);
  for (auto& c : connections) c->take_next();
  all.loop.run();
  if (!all.broken.empty()) return failure{errc::unavailable, all.broken};
  all.sum.seconds = std::chrono::duration<double>(all.last - all.started).count();
  std::sort(all.sum.latencies_us.begin(), all.sum.latencies_us.end());
  return std::move(all.sum);
}

}  // namespace tally::api
