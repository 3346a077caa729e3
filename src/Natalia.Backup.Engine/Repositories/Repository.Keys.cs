using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository
{
    /// <summary>The key slots, the oldest first; damaged ones are among them. Needs no password.</summary>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>RepositoryNotEncrypted</c>.</exception>
    public Task<IReadOnlyList<RepositoryKey>> GetKeysAsync(CancellationToken cancellationToken) => _keys.ListAsync(cancellationToken);

    /// <summary>Adds a password. Nothing else is written anew: every password seals the same master key. The new slot is read back and opened before this returns.</summary>
    /// <param name="password">The new password; stays the caller's.</param>
    /// <param name="name">What to call it, in the clear; or null.</param>
    /// <param name="cancellationToken">Stops it; then nothing was added.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>KeyNameInUse</c>, <c>RepositoryNotEncrypted</c>, <c>ObjectDamaged</c> when the store does not give back what was put.</exception>
    public Task<RepositoryKey> AddKeyAsync(RepositoryPassword password, string? name, CancellationToken cancellationToken) => _keys.AddAsync(password, name, cancellationToken);

    /// <summary>Removes a password; a damaged slot, too. A copy of the slot that somebody kept still opens with it.</summary>
    /// <param name="keyId">The slot's id.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException">
    /// <c>PasswordRequired</c>, <c>KeySlotNotFound</c>, <c>LastKeySlot</c> when no other whole slot is there, <c>KeySlotNotProven</c> when this session has opened none of those that would stay, <c>ObjectLocked</c> in an immutable repository, <c>RepositoryNotEncrypted</c>.
    /// </exception>
    public Task RemoveKeyAsync(string keyId, CancellationToken cancellationToken) => _keys.RemoveAsync(keyId, cancellationToken);
}
