using System.Globalization;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Recovery;

namespace Natalia.Backup.Commands;

/// <summary>A cmdlet over the evidence of appliances: what is piped in is measured together, at the end.</summary>
public abstract class EvidenceCommand : RepositoryReaderCommand
{
    private const string ApplianceParameter = "Appliance", ApplianceIdParameter = "ApplianceId";

    private readonly List<string> _appliances = [];
    private readonly List<string> _repositories = [];
    private bool _isEmptyNamed;

    private protected EvidenceCommand() { }

    /// <summary>True when something was piped in, or named by its id, also by one that is empty.</summary>
    private protected bool HasCollected => _appliances.Count > 0 || _repositories.Count > 0 || _isEmptyNamed;

    /// <summary>Keeps an input: an appliance, or else a repository, all of whose appliances are meant.</summary>
    /// <param name="applianceId">The appliance's id, or nothing.</param>
    private protected void Collect(string? applianceId)
    {
        if (!string.IsNullOrEmpty(applianceId)) _appliances.Add(applianceId!);
        else if (IsSaid(ApplianceIdParameter)) _isEmptyNamed = true;
        else if (!string.IsNullOrEmpty(RepositoryId)) _repositories.Add(RepositoryId!);
        else _isEmptyNamed |= IsBound(ApplianceIdParameter);
    }

    /// <summary>What is to be measured; repositories that are away are told when none was named.</summary>
    /// <param name="appliance">The appliances that were named, which go before those that were piped in.</param>
    /// <param name="sinceUtc">Where the period begins.</param>
    /// <exception cref="NataliaException"><c>RepositoryNotConnected</c>; <c>RepositoryAmbiguous</c> when one and its
    /// copy are named together; <c>ApplianceNotFound</c> when appliances were to be named, and what was given is empty;
    /// <c>InputRefused</c> when the period would begin in the future.</exception>
    private protected EvidenceWishes Wishes(string[]? appliance, DateTime sinceUtc)
    {
        // Without a stretch up to now every point would be left out, and an appliance look as if it had none.
        if (sinceUtc > TimeProvider.System.GetUtcNow().UtcDateTime)
            throw new NataliaException(ErrorIds.InputRefused, NataliaErrorKind.InvalidArgument,
                $"The period would begin in the future, on {sinceUtc.ToString("u", CultureInfo.InvariantCulture)}.",
                null, "Name a time that is past with -After; 2026-01-31 is read as the same day everywhere.");
        IReadOnlyList<string> appliances = References.Clean(appliance) is { Count: > 0 } names
            ? names
            : [.. _appliances.Distinct()];
        // Evidence of everything would pass for that of the one that was meant.
        if (appliances.Count == 0 && (_isEmptyNamed || IsSaid(ApplianceParameter)))
            throw References.NoApplianceNamed();
        if (_isEmptyNamed && _appliances.Count > 0) DeferError(References.NoApplianceNamed());
        IReadOnlyList<string>? named = References.Clean(Repository) is { Count: > 0 } given ? given
            : _repositories.Count > 0 ? [.. _repositories.Distinct()] : null;
        IReadOnlyList<RepositoryConnection> repositories = Registry.RepositoriesWithPoints(named, null);
        Registry.Repositories.RefuseTwins(repositories);
        if (named is null) DeferAway(Registry.Repositories);
        return new EvidenceWishes
        {
            Repositories = repositories,
            Selectors = Wildcards.Selectors(appliances),
            SinceUtc = sinceUtc,
            Away = named is null
                ? [.. Registry.Repositories.Away.Select(a => Registry.Repositories.Missing(a).Message)]
                : [],
        };
    }
}
