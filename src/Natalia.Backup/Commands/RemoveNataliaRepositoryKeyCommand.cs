using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>Removes a password of a repository, so that it no longer opens it.</summary>
/// <remarks>
/// <para>The last one that can be used is never removed. Nor is one when this session has not opened any of those that
/// stay: whether a password works can be told only by trying it. So connect with a password that stays, or add a new
/// one in this session first.</para>
/// <para>Who kept a copy of the repository's keys folder can still open that copy, and with it what is stored, with the
/// old password. When a password has become known to somebody who may have such a copy, make a new repository.</para>
/// <para>Asks before it removes; in a runbook, say -Confirm:$false. The audit log records who removed it.</para>
/// </remarks>
/// <example>
/// <code>Remove-NataliaRepositoryKey -Repository nas -Name 'former admin'</code>
/// <para>Takes a password away that was given a name.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRepositoryKey -Repository nas | Where-Object CreatedUtc -lt 2026-01-01 | Remove-NataliaRepositoryKey -WhatIf</code>
/// <para>Shows which old passwords would go.</para>
/// </example>
[Cmdlet(VerbsCommon.Remove, "NataliaRepositoryKey", DefaultParameterSetName = IdSet, SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(void))]
public sealed class RemoveNataliaRepositoryKeyCommand : RepositoryKeyCommand
{
    private const string IdSet = "Id";
    private const string NameSet = "Name";
    private const int ShortestPrefix = 4;

    /// <summary>
    /// The key slot's id, or at least four digits of its beginning when no other id begins so. Bound from keys that are
    /// piped in.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true, ParameterSetName = IdSet)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RepositoryKeyCompleter))]
    public string KeyId { get; set; } = "";

    /// <summary>What the password was called when it was added. Taken literally, in upper or lower case.</summary>
    [Parameter(Mandatory = true, ParameterSetName = NameSet)]
    [ValidateNotNullOrEmpty]
    public string Name { get; set; } = "";

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        RepositoryConnection connection = RepositoryToChange();
        RepositoryKey key = Find(await connection.Repository.GetKeysAsync(cancellationToken).ConfigureAwait(false),
            connection.Name);
        if (!await ShouldProcessAsync(
            $"{(key.Name is null ? key.KeyId : $"'{key.Name}' ({key.KeyId})")} of repository '{connection.Name}'",
            "Remove the password for ever").ConfigureAwait(false))
            return;
        await connection.Repository.RemoveKeyAsync(key.KeyId, cancellationToken).ConfigureAwait(false);
    }

    private RepositoryKey Find(IReadOnlyList<RepositoryKey> keys, string repository)
    {
        string wanted = ParameterSetName == NameSet ? Name : KeyId.Trim().ToLowerInvariant();
        List<RepositoryKey> found = ParameterSetName == NameSet
            ? [.. keys.Where(k => string.Equals(k.Name, wanted, StringComparison.OrdinalIgnoreCase))]
            : [.. keys
                .Where(k => wanted.Length >= ShortestPrefix && k.KeyId.StartsWith(wanted, StringComparison.Ordinal))];
        return found.Count switch
        {
            1 => found[0],
            0 => throw new NataliaException(ErrorIds.KeySlotNotFound, NataliaErrorKind.NotFound,
                $"The repository '{repository}' has no password '{wanted}'.", wanted,
                "Get-NataliaRepositoryKey lists them."),
            _ => throw new NataliaException(ErrorIds.KeySlotAmbiguous, NataliaErrorKind.InvalidArgument,
                $"{found.Count} passwords of the repository '{repository}' fit '{wanted}'.", wanted,
                "Give the whole id with -KeyId."),
        };
    }
}
