internal import Glibc

/// A shared library of this process, as the dynamic linker keeps it (`struct link_map`, `elf.h`).
@safe struct LoadedLibrary {
  /// What the library's addresses in its own tables count from.
  private let base: Int
  /// Values of the dynamic section by tag.
  private let entries: [Int: Int]

  private enum Tag {
    static let jumpByteCount = 2
    static let strings = 5
    static let symbols = 6
    static let relocations = 7
    static let relocationByteCount = 8
    static let jumps = 23
  }

  /// Every library behind the program itself, without the C library, the linker and the kernel's.
  static func all() -> [LoadedLibrary] {
    var libraries: [LoadedLibrary] = []
    var next = unsafe dlopen(nil, RTLD_LAZY)?.load(fromByteOffset: 24, as: Int.self) ?? 0
    while let map = unsafe UnsafeRawPointer(bitPattern: next) {
      let name = unsafe String(
        cString: map.load(fromByteOffset: 8, as: UnsafePointer<CChar>.self))
      let isOurs = ["libc.so", "ld-linux", "vdso"].allSatisfy { !name.contains($0) }
      if isOurs { libraries.append(unsafe LoadedLibrary(map)) }
      next = unsafe map.load(fromByteOffset: 24, as: Int.self)
    }
    return libraries
  }

  private init(_ map: UnsafeRawPointer) {
    base = unsafe map.load(as: Int.self)
    var entries: [Int: Int] = [:]
    var entry = unsafe map.load(fromByteOffset: 16, as: UnsafeRawPointer.self)
    while case let tag = unsafe entry.load(as: Int.self), tag != 0 {
      entries[tag] = unsafe entry.load(fromByteOffset: 8, as: Int.self)
      unsafe entry += 16
    }
    self.entries = entries
  }

  /// Puts other addresses into the slots through which the library calls the named functions;
  /// returns how many slots there were.
  func replaceSlots(_ replacements: [String: UInt]) -> Int {
    replaceSlots(replacements, Tag.jumps, Tag.jumpByteCount)
      + replaceSlots(replacements, Tag.relocations, Tag.relocationByteCount)
  }

  private func replaceSlots(_ replacements: [String: UInt], _ table: Int, _ size: Int) -> Int {
    guard let start = entries[table], let byteCount = entries[size],
      let symbols = entries[Tag.symbols], let strings = entries[Tag.strings]
    else { return 0 }
    var count = 0
    for offset in stride(from: start, to: start + byteCount, by: 24) {
      let relocation = unsafe UnsafeRawPointer(bitPattern: offset)!
      let info = unsafe relocation.load(fromByteOffset: 8, as: UInt64.self)
      // GLOB_DAT and JUMP_SLOT of x86-64 and of AArch64.
      guard info >> 32 != 0, [6, 7, 1025, 1026].contains(info & 0xFFFF_FFFF) else { continue }
      let symbol = unsafe UnsafeRawPointer(bitPattern: symbols + Int(info >> 32) * 24)!
      let name = unsafe String(
        cString: UnsafePointer<CChar>(
          bitPattern: strings + Int(symbol.load(as: UInt32.self)))!)
      guard let replacement = replacements[name] else { continue }
      let slot = unsafe base + relocation.load(as: Int.self)
      // A slot is aligned and lies in one page; the next may be another library's code.
      let pageByteCount = sysconf(Int32(_SC_PAGESIZE))
      let page = unsafe UnsafeMutableRawPointer(bitPattern: slot & ~(pageByteCount - 1))!
      guard unsafe mprotect(page, pageByteCount, PROT_READ | PROT_WRITE) == 0 else { continue }
      unsafe UnsafeMutableRawPointer(bitPattern: slot)!.storeBytes(of: replacement, as: UInt.self)
      count += 1
    }
    return count
  }
}
