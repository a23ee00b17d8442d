internal import Glibc

/// Environment variables and the folders of the XDG base directory specification.
package enum Environment {
  static func value(_ name: String, emptyIsNil: Bool = true) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    return emptyIsNil && text.isEmpty ? nil : text
  }

  /// `$XDG_CONFIG_HOME/flashrun`, by default `~/.config/flashrun`.
  static var configurationFolder: String { folder("XDG_CONFIG_HOME", default: ".config") }

  /// `$XDG_CACHE_HOME/flashrun`, by default `~/.cache/flashrun`.
  static var cacheFolder: String { folder("XDG_CACHE_HOME", default: ".cache") }

  /// The specification says that a path which is not absolute is to be ignored.
  private static func folder(_ variable: String, default name: String) -> String {
    if let path = value(variable), path.hasPrefix("/") { return path + "/flashrun" }
    return (value("HOME") ?? "/tmp") + "/\(name)/flashrun"
  }
}
