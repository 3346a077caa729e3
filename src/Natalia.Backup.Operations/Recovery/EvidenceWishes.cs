using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>What is to be measured.</summary>
internal sealed record EvidenceWishes
{
    /// <summary>
    /// How many days a period has when nobody says another one: a quarter, in which a restore test is due.
    /// </summary>
    internal const int DefaultDays = 92;

    /// <summary>The repositories whose points count.</summary>
    internal required IReadOnlyList<RepositoryConnection> Repositories { get; init; }

    /// <summary>Which appliances; empty for all that are enrolled or have points there.</summary>
    internal IReadOnlyList<ApplianceSelector> Selectors { get; init; } = [];

    /// <summary>What a profile names and could not be connected: it may hold points, too.</summary>
    internal IReadOnlyList<string> Away { get; init; } = [];

    /// <summary>Where the period begins, UTC; null for <see cref="DefaultDays"/> before now.</summary>
    internal DateTime? SinceUtc { get; init; }
}
