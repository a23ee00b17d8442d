import FlashrunCLI
import Testing

/// Flag before environment before file before default.
@Suite struct SettingsTests {
  static func settings(
    _ environment: [String: String], _ json: String = "{}"
  ) throws -> Settings {
    Settings(
      environment: { environment[$0] }, file: try Settings.parse(Array(json.utf8), path: "f.json"),
      filePath: "f.json")
  }

  @Test func theFirstPlaceThatHasAValueWins() throws {
    let both = try Self.settings(["FLASHRUN_TOP_K": "7"], #"{"top-k": 9}"#)
    #expect(try both.value(5, "top-k", default: 40) == 5)
    #expect(try both.value(nil, "top-k", default: 40) == 7)
    #expect(try Self.settings([:], #"{"top-k": 9}"#).value(nil, "top-k", default: 40) == 9)
    #expect(try Self.settings([:]).value(nil, "top-k", default: 40) == 40)
  }

  @Test func theFileTakesStringsNumbersSwitchesAndLists() throws {
    let settings = try Self.settings(
      [:], #"{"mem-limit": "2G", "temp": 0.7, "ignore-eos": true, "stop": ["a", "b"], "n": -1}"#)
    #expect(
      try settings.value(nil, "mem-limit", parse: SizeArgument.init(parsing:)) == .bytes(2 << 30))
    #expect(try settings.value(nil, "temp", default: Float(0.8)) == 0.7)
    #expect(try settings.isOn(false, "ignore-eos"))
    #expect(try settings.values([], "stop") { $0 } == ["a", "b"])
    #expect(try settings.values(["x"], "stop") { $0 } == ["x"])
    #expect(try settings.value(nil, "n", default: 5) == -1)
  }

  @Test func unknownNamesOfTheFileAreFound() throws {
    #expect(
      try Self.settings([:], #"{"mem_limit": "2G", "temp": 1}"#).unknownNames == ["mem_limit"])
  }

  @Test func aVariablesListIsSplitAtNewlines() throws {
    let settings = try Self.settings(["FLASHRUN_STOP": "a\nb"], #"{"stop": "c"}"#)
    #expect(try settings.values([], "stop") { $0 } == ["a", "b"])
  }

  @Test func aWrongValueIsReportedWithItsPlace() throws {
    let settings = try Self.settings(
      ["FLASHRUN_TOP_K": "many", "FLASHRUN_MEM_LIMIT": "2"], #"{"temp": "hot"}"#)
    let variable = #expect(throws: Failure.self) { try settings.value(nil, "top-k", default: 1) }
    #expect(variable == Failure(.usage, "FLASHRUN_TOP_K: 'many' is invalid"))
    let size = #expect(throws: Failure.self) {
      try settings.value(nil, "mem-limit", parse: SizeArgument.init(parsing:))
    }
    #expect(size?.message.hasPrefix("FLASHRUN_MEM_LIMIT: 2 bytes is too small") == true)
    let file = #expect(throws: Failure.self) { try settings.value(nil, "temp", default: Float(1)) }
    #expect(file == Failure(.usage, "f.json: \"temp\": 'hot' is invalid"))
  }

  @Test func aFileThatIsNoObjectIsRefused() {
    for json in ["", "[]", "{", #"{"a": {"b": 1}}"#, #"{"a": null}"#] {
      let error = #expect(throws: Failure.self) {
        try Settings.parse(Array(json.utf8), path: "f.json")
      }
      #expect(error?.status == .usage)
    }
  }
}
