using System.Globalization;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Recovery;

namespace Natalia.Backup.Commands;

/// <summary>A cmdlet over the evidence of appliances: what is piped in is measured together, at the end.</summary>
public abstract class EvidenceCommand : RepositoryReaderCommand
{
    private readonly List<string> _appliances = [];
    private readonly List<string> _repositories = [];

    private protected EvidenceCommand() { }

    /// <summary>True when something was piped in, or named by its id.</summary>
    private protected bool HasCollected => _appliances.Count > 0 || _repositories.Count > 0;

    /// <summary>Keeps an input: an appliance, or else a repository, all of whose appliances are meant.</summary>
    /// <param name="applianceId">The appliance's id, or nothing.</param>
    private protected void Collect(string? applianceId)
    {
        if (!string.IsNullOrEmpty(applianceId)) _appliances.Add(applianceId!);
        else if (!string.IsNullOrEmpty(RepositoryId)) _repositories.Add(RepositoryId!);
    }

    /// <summary>What is to be measured; repositories that are away are told when none was named.</summary>
    /// <param name="appliance">The appliances that were named, which go before those that were piped in.</param>
    /// <param name="sinceUtc">Where the period begins.</param>
    /// <exception cref="NataliaException"><c>RepositoryNotConnected</c>; <c>InputRefused</c> when the period would
    /// begin in the future.</exception>
    private protected EvidenceWishes Wishes(string[]? appliance, DateTime sinceUtc)
    {
        // Without a stretch up to now every point would be left out, and an appliance look as if it had none.
        if (sinceUtc > TimeProvider.System.GetUtcNow().UtcDateTime)
            throw new NataliaException(ErrorIds.InputRefused, NataliaErrorKind.InvalidArgument,
                $"The period would begin in the future, on {sinceUtc.ToString("u", CultureInfo.InvariantCulture)}.",
                null, "Name a time that is past with -After; 2026-01-31 is read as the same day everywhere.");
        IReadOnlyList<string>? named = References.Clean(Repository) is { Count: > 0 } given ? given
            : _repositories.Count > 0 ? [.. _repositories.Distinct()] : null;
        IReadOnlyList<RepositoryConnection> repositories = Registry.RepositoriesWithPoints(named, null);
        if (named is null) DeferAway(Registry.Repositories);
        return new EvidenceWishes
        {
            Repositories = repositories,
            Selectors = Wildcards.Selectors(appliance is { Length: > 0 } ? appliance : _appliances.Distinct()),
            SinceUtc = sinceUtc,
            Away = named is null
                ? [.. Registry.Repositories.Away.Select(a => Registry.Repositories.Missing(a).Message)]
                : [],
        };
    }
}
