using System.Management.Automation;
using Natalia.Backup.Arguments;

namespace Natalia.Backup.Commands;

/// <summary>A cmdlet that acts on an appliance and one repository.</summary>
public abstract class RepositoryWriterCommand : HypervisorCommand
{
    private protected RepositoryWriterCommand() { }

    /// <summary>
    /// The repository: the session that <c>Connect-NataliaRepository</c> returned, or its name. Bound from an appliance
    /// that is piped in and is enrolled, and from a session that is piped in. Left out, the only connected repository
    /// is taken; when several are connected, that is the error <c>RepositoryAmbiguous</c>.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("RepositoryId")]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string? Repository { get; set; }
}
