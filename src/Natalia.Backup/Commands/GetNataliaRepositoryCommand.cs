using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>Lists the repositories that this session is connected to.</summary>
/// <remarks>
/// <para>Shows what New-NataliaRepository, Connect-NataliaRepository and Import-NataliaProfile connected in this
/// PowerShell session. Nothing is read from the repositories.</para>
/// <para>AuditKeyFingerprint is worth keeping in another place: it proves later that an audit log is this
/// repository's.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRepository | Format-List</code>
/// <para>Shows all connected repositories with every property.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRepository -Name local, offsite | Test-NataliaRepository</code>
/// <para>Checks two connected repositories.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaRepository")]
[OutputType(typeof(RepositorySession))]
public sealed class GetNataliaRepositoryCommand : NataliaCommand
{
    /// <summary>The session's name; wildcards are welcome. Left out, all are listed.</summary>
    [Parameter(Position = 0)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string[]? Name { get; set; }

    private protected override Task ProcessAsync(CancellationToken cancellationToken)
    {
        if (Name is not { Length: > 0 }) DeferAway(Registry.Repositories);
        foreach (RepositoryConnection connection in Registry.Repositories.ByName(Wildcards.ParseAll(Name),
            e => EmitError(e)))
            Emit(connection.Session);
        return Task.CompletedTask;
    }
}
