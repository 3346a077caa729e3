using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>Disconnects this PowerShell session from a repository.</summary>
/// <remarks>
/// <para>Closes the connection, forgets its name and clears its keys from memory; what Mount-NataliaRestorePoint serves
/// through it ends. Nothing in the repository changes.
/// The end of the PowerShell session and the removal of the module do the same for all connections.</para>
/// </remarks>
/// <example>
/// <code>Disconnect-NataliaRepository -Repository local</code>
/// <para>Closes the connection named "local".</para>
/// </example>
/// <example>
/// <code>Get-NataliaRepository | Disconnect-NataliaRepository</code>
/// <para>Closes all connections, for instance at the end of a runbook.</para>
/// </example>
[Cmdlet(VerbsCommunications.Disconnect, "NataliaRepository", SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Low)]
[OutputType(typeof(void))]
public sealed class DisconnectNataliaRepositoryCommand : NataliaCommand
{
    /// <summary>
    /// The session to close: the object that Connect-NataliaRepository returned, its name, or a wildcard.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [Alias("Name")]
    [RepositoryReference]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string[] Repository { get; set; } = [];

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<AwayConnection> away = [.. Registry.Repositories.Away
            .Where(a => Repository.Any(name => Wildcards.Parse(name).MayMean(a.Name)))];
        foreach (AwayConnection one in away)
        {
            if (await ShouldProcessAsync($"{one.Name} (not connected)", "Do without it").ConfigureAwait(false))
                Registry.Repositories.ForgetAway(one.Name);
        }
        List<string> others = [.. Repository
            .Where(name => Registry.Repositories.Find(name) is not null
                || !away.Any(a => Wildcards.Parse(name).Is(a.Name)))];
        if (others.Count == 0) return;
        foreach (RepositoryConnection connection in Registry.Repositories.ByName(Wildcards.ParseAll(others),
            e => EmitError(e)))
        {
            if (!await ShouldProcessAsync($"{connection.Name} ({connection.Session.Location})",
                "Disconnect").ConfigureAwait(false))
                continue;
            foreach (string loss in Registry.Remove(connection)) EmitLeftover(loss);
        }
    }
}
