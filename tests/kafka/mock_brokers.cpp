// mock_brokers TOPIC PARTITIONS: brokers for the end-to-end tests. Says where they listen, then
// produces what it reads: "PARTITION TIME_MS VALUE" a line. An empty line is answered with "sent"
// once all before it is with the brokers. Ends with its input.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "tests/kafka/mock_kafka.hpp"

int main(int count, char** words) {
  if (count != 3) return 2;
  tally::testing::mock_kafka kafka;
  const std::string topic = words[1];
  kafka.make_topic(topic, std::atoi(words[2]));
  std::printf("%s\n", kafka.brokers().c_str());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    if (line.empty()) {
      kafka.flush();
      std::puts("sent");
      std::fflush(stdout);
      continue;
    }
    std::istringstream in{line};
    int partition = 0;
    long long at = 0;
    std::string value;
    in >> partition >> at;
    in.get();
    std::getline(in, value);
    kafka.produce(topic, partition, value, at);
  }
  return 0;
}
