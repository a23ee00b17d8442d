internal import Glibc

/// Which device a path lies on: enough to know it again, and to notice that it is another one.
package struct DeviceIdentity: Sendable, Hashable, Codable {
  /// Major and minor number, as `259:1`.
  package var number: String
  /// As in `/dev`, or what is mounted where that is no device.
  package var name: String
  /// What the device says that it is; nil where it says nothing.
  package var model: String?
  /// Bytes of the device; nil where it is none.
  package var byteCount: Int?
  /// The file system's type, such as `ext4`.
  package var fileSystem: String

  package init(
    number: String, name: String, model: String? = nil, byteCount: Int? = nil, fileSystem: String
  ) {
    self.number = number
    self.name = name
    self.model = model
    self.byteCount = byteCount
    self.fileSystem = fileSystem
  }

  /// `vda (virtio disk, ext4)`.
  package var text: String {
    "\(name) (\(([model, fileSystem] as [String?]).compactMap(\.self).joined(separator: ", ")))"
  }
}

/// What the kernel tells about the storage under a path.
package struct StorageFacts: Sendable, Equatable {
  package var device: DeviceIdentity
  package var mountPoint: String
  package var mountOptions: [String]
  /// Whether it turns; nil where the kernel does not say.
  package var isRotational: Bool?
  /// The device's sectors, in bytes.
  package var logicalSector: Int?
  package var physicalSector: Int?
  /// The I/O scheduler in use, such as `none`.
  package var scheduler: String?

  /// File systems that are memory.
  package static let inMemory: Set<String> = ["tmpfs", "ramfs", "devtmpfs", "hugetlbfs"]

  package var isInMemory: Bool { Self.inMemory.contains(device.fileSystem) }
  package var isReadOnly: Bool { mountOptions.contains("ro") }

  /// - Parameters:
  ///   - path: of something that exists; links are followed.
  ///   - root: a folder to take for `/`, in which `path` is not looked up.
  /// - Returns: nil where there is no such path, or `/proc` is not mounted.
  package init?(path: String, root: String = "") {
    guard let real = root.isEmpty ? Self.realPath(path) : path,
      let text = KernelText.read("\(root)/proc/self/mountinfo"),
      let mount = Mount.holding(real, in: text)
    else { return nil }
    mountPoint = mount.point
    mountOptions = mount.options
    var number = mount.number
    if number.hasPrefix("0:"), mount.source.hasPrefix("/dev/") {
      number = Self.deviceNumber(of: mount.source) ?? number
    }
    let node = "\(root)/sys/dev/block/\(number)"
    // A partition's queue and model are those of the disk around it.
    let isPartition = KernelText.number(inFile: "\(node)/partition") != nil
    let disk = isPartition ? node + "/.." : node
    let events = KernelText.read("\(node)/uevent") ?? ""
    let name = events.split(separator: "\n").first { $0.hasPrefix("DEVNAME=") }?.dropFirst(8)
    device = DeviceIdentity(
      number: number, name: name.map(String.init) ?? mount.source,
      model: Self.model(ofDisk: disk, name: name),
      byteCount: KernelText.number(inFile: "\(node)/size").map { $0 * 512 },
      fileSystem: mount.fileSystem)
    isRotational = KernelText.number(inFile: "\(disk)/queue/rotational").map { $0 != 0 }
    logicalSector = KernelText.number(inFile: "\(disk)/queue/logical_block_size")
    physicalSector = KernelText.number(inFile: "\(disk)/queue/physical_block_size")
    // The one in brackets: `none [mq-deadline] kyber`.
    scheduler = KernelText.read("\(disk)/queue/scheduler").flatMap { line in
      guard let start = line.firstIndex(of: "["), let end = line.firstIndex(of: "]") else {
        return nil
      }
      return String(line[line.index(after: start)..<end])
    }
  }

  private static func model(ofDisk disk: String, name: Substring?) -> String? {
    for place in ["device/model", "dm/name"] {
      if let text = KernelText.read("\(disk)/\(place)")?.trimmed, !text.isEmpty { return text }
    }
    if let file = KernelText.read("\(disk)/loop/backing_file")?.trimmed {
      return "loop over \(file)"
    }
    return name?.hasPrefix("vd") == true ? "virtio disk" : nil
  }

  private static func realPath(_ path: String) -> String? {
    guard let found = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(found) }
    return unsafe String(cString: found)
  }

  private static func deviceNumber(of path: String) -> String? {
    var status = stat()
    guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFBLK else { return nil }
    // gnu_dev_major and gnu_dev_minor, which are macros.
    let number = status.st_rdev
    let major = (number >> 8) & 0xfff | (number >> 32) & ~0xfff
    let minor = number & 0xff | (number >> 12) & ~0xff
    return "\(major):\(minor)"
  }

  /// A line of proc_pid_mountinfo(5).
  private struct Mount {
    var number: String
    var point: String
    var options: [String]
    var fileSystem: String
    var source: String

    /// The mount that holds an absolute path: the longest mount point, and of equal ones the last.
    static func holding(_ path: String, in text: String) -> Mount? {
      var found: Mount?
      for line in text.split(separator: "\n") {
        // id parent number root point options [fields] - type source superOptions
        let words = line.split(separator: " ")
        guard let dash = words.firstIndex(of: "-"), dash >= 6, words.count > dash + 2 else {
          continue
        }
        let point = unescaped(words[4])
        let isAround = point == "/" || path == point || path.hasPrefix(point + "/")
        guard isAround, point.utf8.count >= (found?.point.utf8.count ?? 0) else { continue }
        let superOptions = words.count > dash + 3 ? words[dash + 3] : ""
        found = Mount(
          number: String(words[2]), point: point,
          options: (words[5].split(separator: ",") + superOptions.split(separator: ","))
            .map(String.init),
          fileSystem: String(words[dash + 1]), source: unescaped(words[dash + 2]))
      }
      return found
    }

    /// White space and backslashes stand as `\040`.
    private static func unescaped(_ text: Substring) -> String {
      var bytes: [UInt8] = []
      var rest = text.utf8[...]
      while let byte = rest.popFirst() {
        let digits = rest.prefix(3)
        if byte == UInt8(ascii: "\\"), digits.count == 3,
          let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
        {
          bytes.append(code)
          rest = rest.dropFirst(3)
        } else {
          bytes.append(byte)
        }
      }
      return String(decoding: bytes, as: UTF8.self)
    }
  }
}
