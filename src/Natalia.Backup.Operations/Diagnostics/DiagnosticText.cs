using System.Globalization;
using System.Text;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Diagnostics;

/// <summary>Writes a diagnostic for people: short lines, nothing hidden. Pure.</summary>
internal static class DiagnosticText
{
    internal static string Of(Diagnostic diagnostic)
    {
        var text = new StringBuilder();
        Line($"Natalia.Backup diagnostic, {diagnostic.CollectedUtc.ToString("u", CultureInfo.InvariantCulture)}");
        Line("Known forms of secrets, accounts and the home folder were taken out. Names of VMs, hosts, shares, "
            + "buckets and folders are in it: read it before you send it.");
        foreach (IGrouping<string, DiagnosticFact> area in diagnostic.Facts.GroupBy(f => f.Area))
        {
            Head(area.Key);
            foreach (DiagnosticFact fact in area) Line($"{fact.Name}: {fact.Value}");
        }
        Head("Connections");
        if (diagnostic.Connections.Count == 0) Line("none");
        foreach (DiagnosticConnection one in diagnostic.Connections)
            Line($"{one}: {string.Join(", ", new[] { one.Kind, one.Location, one.Detail }
                .Where(p => !string.IsNullOrEmpty(p)))}");
        Head("Errors of this session, newest first");
        if (diagnostic.Errors.Count == 0) Line("none");
        foreach (DiagnosticError error in diagnostic.Errors)
        {
            Line($"{error.ErrorId} ({error.Category}){(error.Command is null ? "" : " by " + error.Command)}");
            Line("  " + error.Message);
            if (error.RecommendedAction is not null) Line("  Recommended: " + error.RecommendedAction);
            foreach (string cause in error.Causes) Line("  Cause: " + cause);
            foreach (string place in error.StackTrace?.Split('\n') ?? []) Line("  " + place);
        }
        return text.ToString();

        void Head(string title)
        {
            Line("");
            Line(title);
            Line(new string('-', title.Length));
        }

        // Text from elsewhere stays within its line.
        void Line(string line) => text.Append(DisplayText.CleanLine(line.TrimEnd('\r'))).Append('\n');
    }
}
