using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>A cmdlet that reads repositories: those that <c>-Repository</c> names, or all that are connected.</summary>
public abstract class RepositoryReaderCommand : NataliaCommand
{
    private protected RepositoryReaderCommand() { }

    /// <summary>
    /// The repository: the session that <c>Connect-NataliaRepository</c> returned, or its name. Left out, every
    /// connected repository is read.
    /// </summary>
    [Parameter]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string[]? Repository { get; set; }

    /// <summary>The id of a connected repository. Bound from what is piped in: a session, a restore point.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? RepositoryId { get; set; }

    /// <summary>
    /// The repositories to read points from. Those that were opened without a password are left out when others are
    /// there and none was named.
    /// </summary>
    /// <exception cref="Engine.NataliaException"><c>RepositoryNotConnected</c>; <c>InputRefused</c> when one was to be
    /// named, and the name is empty.</exception>
    private protected IReadOnlyList<RepositoryConnection> RepositoriesToRead()
    {
        if (IsSaid(nameof(Repository)) && References.Clean(Repository) is not { Count: > 0 })
            throw References.NoRepositoryNamed();
        IReadOnlyList<RepositoryConnection> repositories = Registry.RepositoriesWithPoints(References.Clean(Repository),
            RepositoryId);
        if (NamesNoRepository) DeferAway(Registry.Repositories);
        return repositories;
    }

    /// <summary>True when all of them are meant.</summary>
    private protected bool NamesNoRepository =>
        References.Clean(Repository) is not { Count: > 0 } && string.IsNullOrEmpty(RepositoryId);
}
