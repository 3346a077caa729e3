using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Guests;

/// <summary>
/// What a program in a guest wrote, on its way into a record: text of a machine that nobody vouches for. It is cut, and
/// what would command a terminal is made visible.
/// </summary>
internal static class CommandOutput
{
    /// <summary>How many characters of an output are kept: its end, which is where programs say what went wrong.
    /// </summary>
    private const int KeptCharacters = 4000;

    /// <summary>Standard output, then standard error; empty where there was nothing.</summary>
    internal static string Describe(GuestCommandResult result)
    {
        string[] parts = [.. new[] { result.Output, result.Error }.Select(Clean).Where(t => t.Length > 0)];
        string text = string.Join("\n", parts);
        return result.IsTruncated && text.Length > 0 ? text + "\n[the channel cut it]" : text;
    }

    /// <summary>How it ended: an exit code, or a signal.</summary>
    internal static string DescribeEnd(GuestCommandResult result) =>
        result.ExitCode is int code ? string.Format(CultureInfo.InvariantCulture, "exit code {0}", code)
            : result.Signal is int signal ? string.Format(CultureInfo.InvariantCulture, "ended by signal {0}", signal)
            : "ended without an exit code";

    /// <summary>
    /// The whole number that an output consists of: its only line that is not blank; null for anything else.
    /// </summary>
    internal static long? Number(string output)
    {
        string[] lines = [.. output.Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0).Take(2)];
        return lines.Length == 1 && long.TryParse(lines[0], NumberStyles.None, CultureInfo.InvariantCulture,
            out long number)
            ? number
            : null;
    }

    /// <summary>One text of a guest, cut and made visible.</summary>
    internal static string Clean(string text)
    {
        string cut = text.Trim();
        if (cut.Length > KeptCharacters) cut = "…" + cut.Substring(cut.Length - KeptCharacters);
        return DisplayText.Clean(cut);
    }
}
