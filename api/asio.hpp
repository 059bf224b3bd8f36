#pragma once

// Boost 1.74's Asio uses std::exchange without including its header: Asio comes in only from here.
#include <utility>

// g++ cannot instrument the fences that Asio puts around handlers; its locks order them already.
#if defined(__SANITIZE_THREAD__) && !defined(BOOST_ASIO_DISABLE_FENCED_BLOCK)
#define BOOST_ASIO_DISABLE_FENCED_BLOCK
#endif

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace tally::api {

namespace asio = boost::asio;

}  // namespace tally::api
