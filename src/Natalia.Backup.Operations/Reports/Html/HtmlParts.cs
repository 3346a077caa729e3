using System.Text.RegularExpressions;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>Small pieces that all sections use. What they are given is encoded here.</summary>
internal static class HtmlParts
{
    private static readonly Regex s_figures = new(
        "[0-9]{4}-[0-9]{2}-[0-9]{2}(?: [0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?: UTC|Z)?)?"
        + "|[0-9.]+ (?:d|h|min|s|%|[KMGT]iB)(?![a-z])",
        RegexOptions.CultureInvariant);

    /// <summary>A verdict: a sign, a word and a colour, so that none of them has to be seen.</summary>
    internal static Markup Badge(RecoveryVerdict verdict) => Badge(Class(verdict), ObjectiveWords.Of(verdict));

    /// <summary>How a check ended.</summary>
    internal static Markup Badge(CheckOutcome outcome) => outcome switch
    {
        CheckOutcome.Passed => Badge("met", "Passed"),
        CheckOutcome.Failed => Badge("missed", "Failed"),
        CheckOutcome.Warning => Badge("open", "Warning"),
        CheckOutcome.Skipped => Badge("open", "Skipped"),
        _ => Badge("open", "Not evidenced"),
    };

    /// <summary>How a restore test ended.</summary>
    internal static Markup Badge(RestoreTestResult result) => result switch
    {
        RestoreTestResult.Passed => Badge("met", "Passed"),
        RestoreTestResult.Failed => Badge("missed", "Failed"),
        _ => Badge("open", "Not tested"),
    };

    /// <summary>What is known of a point's health.</summary>
    internal static Markup Badge(EvidencePointState state) => state switch
    {
        EvidencePointState.Verified => Badge("met", "Verified"),
        EvidencePointState.Unverified => Badge("plain", "Unverified"),
        _ => Badge("missed", state.ToString()),
    };

    /// <summary>The sign of a verdict alone, with its word for those who listen.</summary>
    internal static Markup Sign(RecoveryVerdict verdict) => new(
        $"<span class=\"s {Class(verdict)}\">{Icon(Class(verdict))}"
        + $"<span class=\"sr\">{ObjectiveWords.Of(verdict)}</span></span>");

    /// <summary>The class of a verdict in the style sheet.</summary>
    internal static string Class(RecoveryVerdict verdict) => verdict switch
    {
        RecoveryVerdict.Met => "met",
        RecoveryVerdict.Missed => "missed",
        _ => "open",
    };

    /// <summary>A time, UTC.</summary>
    internal static Markup Time(DateTime utc) =>
        new($"<time class=\"n\" datetime=\"{FigureText.Iso(utc)}\">{FigureText.Time(utc)}</time>");

    /// <summary>A time, or a dash where there is none.</summary>
    internal static Markup Time(DateTime? utc) => utc is DateTime time ? Time(time) : Dash;

    /// <summary>A text, or a dash where there is none.</summary>
    internal static Markup OrDash(string? text) =>
        string.IsNullOrEmpty(text) ? Dash : new Markup(HtmlText.Encode(text));

    /// <summary>Sentences: figures in them stay together.</summary>
    internal static Markup Prose(string text) =>
        new(s_figures.Replace(HtmlText.Encode(text), "<span class=\"n\">$0</span>"));

    /// <summary>As <see cref="Prose"/>, or a dash where there is nothing.</summary>
    internal static Markup FigureOrDash(string? text) => string.IsNullOrEmpty(text) ? Dash : Prose(text!);

    /// <summary>A name from elsewhere: the direction of its letters stays its own.</summary>
    internal static Markup Name(string? text) => new($"<bdi>{HtmlText.Encode(text)}</bdi>");

    /// <summary>An id or a hash, in full, that may break anywhere.</summary>
    internal static Markup Code(string? text) => new($"<code>{HtmlText.Encode(text)}</code>");

    /// <summary>A link to somewhere in this page.</summary>
    internal static Markup Link(string anchor, string text) =>
        new($"<a href=\"#{HtmlText.Encode(anchor)}\">{HtmlText.Encode(text)}</a>");

    private static Markup Dash { get; } = new("<span aria-hidden=\"true\">–</span><span class=\"sr\">not known</span>");

    private static Markup Badge(string kind, string text) =>
        new($"<span class=\"v {kind}\">{Icon(kind)}{HtmlText.Encode(text)}</span>");

    private static string Icon(string kind) =>
        kind == "plain" ? "" : $"<svg class=\"i\" aria-hidden=\"true\"><use href=\"#i-{kind}\"/></svg>";
}
