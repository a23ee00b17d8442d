/// The style sheet of every report page: colours for light and dark, and what changes on a narrow
/// screen.
enum ReportStyle {
  /// How many colours series have before they repeat (`s0`, `s1`, ...).
  static let seriesColorCount = 8

  static let sheet = """
    :root {
      --page: #f6f7f9; --card: #ffffff; --ink: #1a1d21; --soft: #5b636d; --line: #d9dde2;
      --accent: #0b63c5; --cool: #eaf1fb; --hot: #0a4a94; --on-hot: #ffffff; --warn: #b4530a;
      --s0: #0b63c5; --s1: #d1481f; --s2: #16825d; --s3: #8a3fb0; --s4: #a86b00; --s5: #0e8a9c;
      --s6: #c22a6b; --s7: #5b636d;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --page: #14171b; --card: #1d2126; --ink: #e8eaed; --soft: #a2abb6; --line: #353c45;
        --accent: #6db1ff; --cool: #1f2c3d; --hot: #7fbcff; --on-hot: #0c1622; --warn: #f0a35e;
        --s0: #6db1ff; --s1: #ff8f6b; --s2: #5fd0a4; --s3: #d09bf0; --s4: #e6b454; --s5: #5fd3e4;
        --s6: #ff8db9; --s7: #a2abb6;
      }
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--ink);
      font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
    main { max-width: 1120px; margin: 0 auto; padding: 24px 16px 48px; }
    h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
    h2 { font-size: 1.15rem; margin: 0 0 4px; }
    header p, section > p, footer { color: var(--soft); margin: 0 0 12px; }
    header p { overflow-wrap: anywhere; }
    section { margin-top: 28px; }
    section > p { max-width: 75ch; }
    footer { margin-top: 32px; font-size: 0.85rem; }
    .figures { display: grid; gap: 12px; margin-top: 16px;
      grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); }
    .figure, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
    .figure { padding: 10px 14px; }
    .figure b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
    .figure span { color: var(--soft); font-size: 0.85rem; }
    .parts { display: grid; gap: 16px; align-items: start;
      grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); }
    .wide { grid-column: 1 / -1; }
    p.wide, ul.wide { margin: 0; max-width: 85ch; overflow-wrap: anywhere; }
    ul.wide { padding-left: 1.2em; }
    .card { margin: 0; padding: 12px 14px; min-width: 0; }
    figcaption { font-weight: 600; font-size: 0.95rem; margin-bottom: 6px; }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; font-size: 0.88rem;
      font-variant-numeric: tabular-nums; }
    th, td { padding: 4px 8px; text-align: right; white-space: nowrap;
      border-bottom: 1px solid var(--line); }
    th { color: var(--soft); font-weight: 600; }
    tr:last-child td { border-bottom: 0; }
    .lead { text-align: left; }
    .prose { white-space: normal; min-width: 16ch; overflow-wrap: anywhere; }
    .heat { table-layout: fixed; }
    .heat th, .heat td { padding: 5px 2px; text-align: center; border: 0; }
    .heat th:first-child { width: 4.6em; text-align: right; padding-right: 6px; }
    .heat td { border: 1px solid var(--card); border-radius: 4px;
      background: color-mix(in oklab, var(--hot) var(--heat), var(--cool)); }
    .heat td.hot { color: var(--on-hot); }
    .heat td.none { background: none; color: var(--soft); }
    svg { display: block; width: 100%; height: auto; font: 11.5px system-ui, sans-serif; }
    svg text { fill: var(--soft); font-variant-numeric: tabular-nums; }
    .grid { stroke: var(--line); stroke-width: 1; }
    .mark { stroke: var(--warn); stroke-width: 1.5; stroke-dasharray: 5 4; }
    svg text.marked { fill: var(--warn); stroke: var(--card); stroke-width: 4px;
      stroke-linejoin: round; paint-order: stroke; }
    .curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
    .legend { display: flex; flex-wrap: wrap; gap: 2px 14px; margin-top: 6px; font-size: 0.85rem; }
    .legend i { display: inline-block; width: 14px; height: 4px; border-radius: 2px;
      margin-right: 6px; vertical-align: middle; }
    .share { display: flex; height: 26px; border-radius: 6px; overflow: hidden; }
    .share i { display: block; min-width: 1px; }
    \(seriesRules)
    @media (max-width: 600px) {
      main { padding: 16px 10px 32px; }
      .card { padding: 10px 8px; }
      th, td { padding: 4px 5px; }
      table { font-size: 0.8rem; }
      .heat { font-size: 0.72rem; }
    }
    @media print { :root { --page: #ffffff; } section { break-inside: avoid; } }
    """

  private static let seriesRules = (0..<seriesColorCount).map { index in
    ".s\(index) { stroke: var(--s\(index)); } .f\(index) { fill: var(--s\(index)); } "
      + ".b\(index) { background: var(--s\(index)); }"
  }.joined(separator: "\n")
}
