using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository
{
    /// <summary>Keeps evidence of what was done in a repository that has no log of its own. Possible while a backup of the appliance runs; it has no effect on what this repository holds.</summary>
    /// <param name="record">What was done.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The new record's hash.</returns>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>ApplianceNotFound</c> for an id that is none, a store error.</exception>
    public async Task<string> RecordNativeAsync(NativeRecord record, CancellationToken cancellationToken)
    {
        byte[] seed = _core.SigningSeed;
        string hash = await _core.ApplianceLog(record.ApplianceId).AppendAsync(NativeRecords.Entry(record), seed, cancellationToken).ConfigureAwait(false);
        await _core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        return hash;
    }

    /// <summary>Makes sure, as far as that can be known beforehand, that evidence can be kept now: the store answers, and the repository is still the one that was opened.</summary>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>RepositoryNotFound</c>, a store error.</exception>
    public async Task EnsureRecordableAsync(CancellationToken cancellationToken)
    {
        _ = _core.SigningSeed;
        byte[] bytes = await RepositorySettings.ReadBytesAsync(_core.Store, cancellationToken).ConfigureAwait(false);
        if (RepositorySettings.Decode(bytes, Location).Id.ToString() != RepositoryId)
            throw new NataliaException(ErrorIds.RepositoryNotFound, NataliaErrorKind.NotFound, $"{Location} holds another repository than the one that was connected as '{Label}'.", Label, "Connect it again.");
    }
}
