using System.Security;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Who commands in a guest run as. The secrets belong to whoever made it, and are shown nowhere.</summary>
public sealed class GuestCredential
{
    /// <summary>A name with a password, or with a private key and the password of that.</summary>
    /// <param name="userName">The user's name in the guest.</param>
    /// <param name="password">The password; with a key, the key's own, or null for a key without one.</param>
    /// <param name="privateKey">A private key in PEM, for a channel that takes keys; or null.</param>
    /// <param name="hostKey">The key of the SSH server that alone is told of all this; null where commands do not go
    /// over SSH.</param>
    public GuestCredential(string userName, SecureString? password, SecureString? privateKey = null,
        SshHostKey? hostKey = null)
    {
        if (string.IsNullOrEmpty(userName)) throw new ArgumentException("A user's name is needed.", nameof(userName));
        if (password is null && privateKey is null)
            throw new ArgumentException("A password or a private key is needed.", nameof(password));
        (UserName, Password, PrivateKey, HostKey) = (userName, password, privateKey, hostKey);
    }

    /// <summary>The user's name in the guest.</summary>
    public string UserName { get; }

    /// <summary>The password, or null.</summary>
    public SecureString? Password { get; }

    /// <summary>The private key, or null.</summary>
    public SecureString? PrivateKey { get; }

    /// <summary>
    /// The key of the SSH server that alone is told of all this. With it commands go over SSH, also where the
    /// hypervisor has a way of its own.
    /// </summary>
    public SshHostKey? HostKey { get; }

    /// <summary>The name alone.</summary>
    public override string ToString() => UserName;
}
