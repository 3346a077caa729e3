using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>Lists the passwords that open a repository; not the passwords themselves.</summary>
/// <remarks>
/// <para>Each password has a key slot: a small object that holds the repository's master key, sealed with that
/// password. A slot that is damaged is listed with what is wrong with it; the others open the repository all the
/// same.</para>
/// <para>IsProven tells which slots this session has opened with their passwords. A repository that is not encrypted
/// has none: named with -Repository, it is an error; else it is left out.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRepositoryKey</code>
/// <para>Lists the passwords of every connected repository.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRepositoryKey -Repository nas | Where-Object IsWhole -eq $false | Remove-NataliaRepositoryKey</code>
/// <para>Removes what is left of damaged key slots, one question for each.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaRepositoryKey")]
[OutputType(typeof(RepositoryKey))]
public sealed class GetNataliaRepositoryKeyCommand : RepositoryReaderCommand
{
    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<string>? named = Arguments.References.Clean(Repository);
        if (named is not { Count: > 0 } && !string.IsNullOrEmpty(RepositoryId)) named = [RepositoryId!];
        IReadOnlyList<RepositoryConnection> repositories = Registry.Repositories.ForReading(named);
        foreach (RepositoryConnection connection in repositories)
        {
            if (connection.Session.IsEncrypted != true && named is not { Count: > 0 }) continue;
            try
            {
                foreach (RepositoryKey key in await connection.Repository.GetKeysAsync(
                    cancellationToken).ConfigureAwait(false))
                {
                    Registry.Completion.Remember(key);
                    Emit(key);
                }
            }
            catch (NataliaException e) when (repositories.Count > 1 && !cancellationToken.IsCancellationRequested)
            {
                DeferError(e, connection.Session);
            }
        }
    }
}
