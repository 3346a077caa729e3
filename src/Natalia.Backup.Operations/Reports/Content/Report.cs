using System.Reflection;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Operations.Reports.Content;

/// <summary>
/// What a report tells, whatever it is written as: the evidence of appliances, or one restore test. Immutable.
/// </summary>
internal sealed record Report
{
    /// <summary>How this version names itself.</summary>
    internal static string ThisTool { get; } = "Natalia.Backup "
        + (typeof(Report).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()
            ?.InformationalVersion.Split('+')[0] ?? "0");

    /// <summary>The report's id: 32 lowercase hexadecimal digits, unique everywhere.</summary>
    internal required string ReportId { get; init; }
    /// <summary>When it was made, UTC.</summary>
    internal required DateTime GeneratedUtc { get; init; }
    /// <summary>Where the period begins, UTC; null for a report of one test.</summary>
    internal DateTime? SinceUtc { get; init; }
    /// <summary>What wrote it: product and version.</summary>
    internal required string Tool { get; init; }
    /// <summary>The appliances, in the order of their names.</summary>
    internal IReadOnlyList<ApplianceEvidence> Appliances { get; init; } = [];
    /// <summary>
    /// What was counted of each appliance, by its id, before its evidence was reduced to what is named; empty where it
    /// was not reduced.
    /// </summary>
    internal IReadOnlyDictionary<string, EvidenceFigures> Figures { get; init; } =
        new Dictionary<string, EvidenceFigures>();

    /// <summary>The restore test that the report is about; null for a report of appliances.</summary>
    internal RestoreTest? Test { get; init; }
    /// <summary>
    /// What could not be read, of no appliance in particular, each in a full sentence: a report that does not show
    /// everything says so.
    /// </summary>
    internal IReadOnlyList<string> Troubles { get; init; } = [];
    /// <summary>Whose certificate signs it; null when nobody's does.</summary>
    internal string? Signer { get; init; }

    /// <summary>What was counted of an appliance.</summary>
    internal EvidenceFigures FiguresOf(ApplianceEvidence appliance) =>
        Figures.TryGetValue(appliance.ApplianceId, out EvidenceFigures? counted)
            ? counted
            : EvidenceFigures.Of(appliance);
}
