namespace Natalia.Backup.Operations.Recovery;

/// <summary>Holds what was collected of an appliance against every objective. Pure.</summary>
internal static class RecoveryRules
{
    /// <summary>One verdict for each objective, in their order.</summary>
    internal static IReadOnlyList<RecoveryMeasurement> Measure(ApplianceEvidence evidence) =>
    [
        RpoRules.Measure(evidence),
        RtoRules.Measure(evidence),
        RestoreTestAgeRules.Measure(evidence),
        CoverageRules.Measure(evidence),
        PlacementRules.OffHost(evidence),
        PlacementRules.Immutability(evidence),
        VerificationRules.Measure(evidence),
        ScheduleRules.Measure(evidence),
    ];
}
