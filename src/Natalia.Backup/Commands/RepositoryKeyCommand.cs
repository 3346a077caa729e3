using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>A cmdlet that changes the passwords of one repository.</summary>
public abstract class RepositoryKeyCommand : NataliaCommand
{
    private protected RepositoryKeyCommand() { }

    /// <summary>
    /// The repository: the session that Connect-NataliaRepository returned, or its name. Left out, the repository of a
    /// piped key is taken, else the only connected one; when several are connected, that is the error
    /// RepositoryAmbiguous.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string? Repository { get; set; }

    /// <summary>The id of a connected repository. Bound from what is piped in: a session, a key.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? RepositoryId { get; set; }

    /// <summary>The repository to change.</summary>
    private protected RepositoryConnection RepositoryToChange() =>
        Registry.Repositories.ForWriting(RepositoryMeant(Repository, RepositoryId));
}
