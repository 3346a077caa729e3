using System.Globalization;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>
/// Where in the page each record of an appliance stands. Anchors are numbers of this product's: no id from elsewhere
/// becomes part of one.
/// </summary>
internal sealed class ApplianceAnchors
{
    private readonly Dictionary<(EvidenceKind, string), string> _anchors = [];
    private readonly List<EvidenceRecord> _others = [];

    internal ApplianceAnchors(ApplianceEvidence appliance, EvidenceFigures figures, int number)
    {
        Figures = figures;
        Section = "a" + number.ToString(CultureInfo.InvariantCulture);
        Points = ReportedPoints.Of(appliance);
        foreach (EvidencePoint point in Points) Add(EvidenceKind.RestorePoint, point.RestorePointId);
        foreach (RestoreTest test in appliance.RestoreTests) Add(EvidenceKind.RestoreTest, test.RestoreTestId);
        foreach (EvidenceRecord record in appliance.Measurements.SelectMany(m => m.Records))
        {
            if (Add(record.Kind, record.Id)) _others.Add(record);
        }
    }

    /// <summary>That of the appliance's own section.</summary>
    internal string Section { get; }

    /// <summary>What was counted of the appliance.</summary>
    internal EvidenceFigures Figures { get; }

    /// <summary>The points that the page lists, newest first.</summary>
    internal IReadOnlyList<EvidencePoint> Points { get; }

    /// <summary>The records that verdicts rest on and that are neither listed points nor listed tests.</summary>
    internal IReadOnlyList<EvidenceRecord> Others => _others;

    /// <summary>That of an objective's row.</summary>
    internal string Of(RecoveryObjective objective) =>
        Section + "-o" + ((int)objective).ToString(CultureInfo.InvariantCulture);

    /// <summary>That of a record; null when the page does not show it.</summary>
    internal string? Of(EvidenceKind kind, string id) =>
        _anchors.TryGetValue((kind, id), out string? anchor) ? anchor : null;

    private bool Add(EvidenceKind kind, string id)
    {
        if (_anchors.ContainsKey((kind, id))) return false;
        _anchors.Add((kind, id), Section + "-r" + _anchors.Count.ToString(CultureInfo.InvariantCulture));
        return true;
    }
}
