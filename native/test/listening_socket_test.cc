#include "listening_socket.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include "control_socket.hpp"
#include "failure.hpp"
#include "process_state.hpp"
#include "seeds.hpp"

using namespace rsm;

namespace {

bool fails(const std::string& path, const char* code) {
  return check::throws<Failure>([&] { ListeningSocket(path, std::nullopt); }, [&](const Failure& f) { return f.code() == std::string(code); });
}

}  // namespace

TEST("a socket appears at its path only when it listens, with its mode, and goes with its object") {
  check::TemporaryFolder folder;
  const std::string path = folder.path() + "/a.sock";
  {
    ListeningSocket socket(path, std::nullopt);
    CHECK(folder.files() == std::set<std::string>{"a.sock"});
    struct stat status {};
    CHECK_EQ(::stat(path.c_str(), &status), 0);
    CHECK(S_ISSOCK(status.st_mode));
    CHECK_EQ(status.st_mode & 0777, 0600);
    CHECK(check::closedOnExec(socket.fd()));
    bool exhausted = true;
    CHECK(!socket.accept(exhausted).valid());  // nobody yet, and it does not block
    CHECK(!exhausted);
    ControlSocket client = ControlSocket::connect(path);
    CHECK(check::closedOnExec(client.fd()));
    FileDescriptor accepted = socket.accept(exhausted);
    CHECK(accepted.valid());
    CHECK(check::closedOnExec(accepted.get()));
    CHECK(::fcntl(accepted.get(), F_GETFL) & O_NONBLOCK);
  }
  CHECK(folder.files().empty());
}

TEST("with a group the socket is that group's, mode 0660") {
  check::TemporaryFolder folder;
  ListeningSocket socket(folder.path() + "/a.sock", ::getegid());
  struct stat status {};
  CHECK_EQ(::stat((folder.path() + "/a.sock").c_str(), &status), 0);
  CHECK_EQ(status.st_mode & 0777, 0660);
  CHECK_EQ(status.st_gid, ::getegid());
}

TEST("a socket that was left by a dead process is replaced") {
  check::TemporaryFolder folder;
  const std::string path = folder.path() + "/a.sock";
  const pid_t child = check::inChild([&] {
    ListeningSocket socket(path, std::nullopt);
    ::_exit(0);  // without its destructor
    return 1;
  });
  CHECK_EQ(check::exitCodeOf(child), 0);
  CHECK(folder.files().count("a.sock"));
  CHECK(check::throws<Failure>([&] { ControlSocket::connect(path); }, [](const Failure& f) { return f.error() == ECONNREFUSED; }));
  ListeningSocket socket(path, std::nullopt);
  ControlSocket::connect(path);
}

TEST("a socket that cannot be made is a typed failure that leaves nothing behind") {
  const auto before = check::openDescriptors();
  check::TemporaryFolder folder;
  CHECK(fails(folder.path() + "/none/a.sock", codes::kUnreachable));
  ::chmod(folder.path().c_str(), 0500);
  if (::geteuid() != 0) CHECK(fails(folder.path() + "/a.sock", codes::kPermissionDenied));  // root may write everywhere
  ::chmod(folder.path().c_str(), 0700);
  CHECK(fails(folder.path() + "/" + std::string(110 - folder.path().size(), 'x'), codes::kInvalidOptions));
  ::mkdir((folder.path() + "/d.sock").c_str(), 0700);  // the rename fails
  CHECK(fails(folder.path() + "/d.sock", codes::kUnreachable));
  CHECK(folder.files() == std::set<std::string>{"d.sock"});
  ::rmdir((folder.path() + "/d.sock").c_str());
  CHECK(check::openDescriptors() == before);
}

TEST("the longest path that fits is taken") {
  check::TemporaryFolder folder;
  const std::string path = folder.path() + "/" + std::string(107 - 4 - 1 - folder.path().size(), 'x');  // .tmp still fits into 107 bytes
  {
    ListeningSocket socket(path, std::nullopt);
    ControlSocket::connect(path);
  }
  CHECK(fails(path + "x", codes::kInvalidOptions));
}

TEST("a process without descriptors left is told so by accept, and can accept later") {
  check::TemporaryFolder folder;
  ListeningSocket socket(folder.path() + "/a.sock", std::nullopt);
  ControlSocket client = ControlSocket::connect(folder.path() + "/a.sock");
  rlimit was{};
  ::getrlimit(RLIMIT_NOFILE, &was);
  const rlimit none{0, was.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  bool exhausted = false;
  const bool accepted = socket.accept(exhausted).valid();
  ::setrlimit(RLIMIT_NOFILE, &was);
  CHECK(!accepted && exhausted);
  CHECK(socket.accept(exhausted).valid());
  CHECK(!exhausted);
}
