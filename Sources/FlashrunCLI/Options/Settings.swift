package import ArgumentParser
internal import FoundationEssentials

/// Where an option's value comes from: the flag, then `FLASHRUN_<FLAG>`, then the configuration
/// file, then the default.
///
/// Option groups hold optionals and ask here, so that a wrong value in the environment is reported
/// with the name of the variable, and one in the file with the file's name.
package struct Settings: Sendable {
  /// The environment, and the file's values as an argument would spell them.
  private let environment: @Sendable (String) -> String?
  private let file: [String: [String]]
  private let filePath: String

  /// - Parameter file: values by long flag without dashes; several for an option that repeats.
  package init(
    environment: @escaping @Sendable (String) -> String?, file: [String: [String]],
    filePath: String = "config.json"
  ) {
    self.environment = environment
    self.file = file
    self.filePath = filePath
  }

  /// The process's environment and `$XDG_CONFIG_HOME/flashrun/config.json`, if it is there.
  static func load() throws(Failure) -> Settings {
    let path = Environment.configurationFolder + "/config.json"
    let environment: @Sendable (String) -> String? = { Environment.value($0) }
    guard FileInput.exists(path) else { return Settings(environment: environment, file: [:]) }
    let file = try parse(FileInput.bytes(path), path: path)
    return Settings(environment: environment, file: file, filePath: path)
  }

  /// A JSON object of strings, numbers, booleans and arrays of them, by long flag.
  package static func parse(_ json: [UInt8], path: String) throws(Failure) -> [String: [String]] {
    do {
      return try JSONDecoder().decode([String: SettingValue].self, from: Data(json))
        .mapValues(\.texts)
    } catch {
      throw Failure(
        .usage, "\(path) must be a JSON object of long flags and their values",
        hints: [#"for example {"mem-limit": "2G", "temp": 0.7}"#])
    }
  }

  /// Names in the file that are no flag, which would otherwise be ignored without a word.
  package var unknownNames: [String] {
    file.keys.filter { !Self.names.contains($0) }.sorted()
  }

  /// Flags that can be set in the environment and in the file.
  private static let names: Set<String> = [
    "cache-policy", "cache-type-k", "cache-type-v", "chunks", "convert", "ctx-size", "direct",
    "frequency-penalty", "ignore-eos", "io", "isa", "log-file", "logit-bias", "look-ahead",
    "mem-limit", "min-p", "model", "no-display-prompt", "predict", "presence-penalty",
    "queue-depth", "quiet", "repeat-last-n", "repeat-penalty", "seed", "sparsity", "stats", "stop",
    "temp", "threads", "top-k", "top-p", "trace", "verbose", "window",
  ]

  /// `FLASHRUN_MEM_LIMIT` for `mem-limit`.
  package static func variable(for name: String) -> String {
    "FLASHRUN_" + name.uppercased().replacing("-", with: "_")
  }

  /// The value of an option, or nil when nobody gave one.
  ///
  /// - Throws: `Failure` (usage) naming the place of a value that cannot be parsed.
  package func value<Value>(
    _ flag: Value?, _ name: String, parse: (String) throws -> Value?
  ) throws(Failure) -> Value? {
    if let flag { return flag }
    let variable = Self.variable(for: name)
    if let text = environment(variable) {
      return try Self.parsed(text, place: variable, parse)
    }
    if let text = file[name]?.last {
      return try Self.parsed(text, place: "\(filePath): \"\(name)\"", parse)
    }
    return nil
  }

  package func value<Value: ExpressibleByArgument>(
    _ flag: Value?, _ name: String
  ) throws(Failure) -> Value? {
    try value(flag, name, parse: Value.init(argument:))
  }

  /// The value of an option with a default.
  package func value<Value: ExpressibleByArgument>(
    _ flag: Value?, _ name: String, default fallback: Value
  ) throws(Failure) -> Value {
    try value(flag, name) ?? fallback
  }

  /// Whether a switch is on: given, or `1`, `true`, `yes`, `on` in the environment or file.
  package func isOn(_ flag: Bool, _ name: String) throws(Failure) -> Bool {
    if flag { return true }
    return try value(nil, name) { text in
      switch text.lowercased() {
      case "1", "true", "yes", "on": true
      case "0", "false", "no", "off": false
      default: nil
      }
    } ?? false
  }

  /// The values of an option that repeats; the first place that has any wins. A variable's values
  /// are separated by newlines.
  package func values<Value>(
    _ flags: [Value], _ name: String, parse: (String) throws -> Value?
  ) throws(Failure) -> [Value] {
    guard flags.isEmpty else { return flags }
    let variable = Self.variable(for: name)
    var (texts, place) = (file[name] ?? [], "\(filePath): \"\(name)\"")
    if let text = environment(variable) {
      (texts, place) = (text.split(separator: "\n").map(String.init), variable)
    }
    var values: [Value] = []
    for text in texts { values.append(try Self.parsed(text, place: place, parse)) }
    return values
  }

  private static func parsed<Value>(
    _ text: String, place: String, _ parse: (String) throws -> Value?
  ) throws(Failure) -> Value {
    do {
      if let value = try parse(text) { return value }
    } catch {
      throw Failure(.usage, "\(place): \(error)")
    }
    throw Failure(.usage, "\(place): '\(text)' is invalid")
  }
}

/// One value of the configuration file, as an argument would spell it.
private struct SettingValue: Decodable {
  var texts: [String]

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let text = try? container.decode(String.self) {
      texts = [text]
    } else if let isOn = try? container.decode(Bool.self) {
      texts = [String(isOn)]
    } else if let number = try? container.decode(Int.self) {
      texts = [String(number)]
    } else if let number = try? container.decode(Double.self) {
      texts = [String(number)]
    } else {
      texts = try container.decode([SettingValue].self).flatMap(\.texts)
    }
  }
}
