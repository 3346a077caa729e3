using System.Net.Sockets;
using System.Security;
using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Renci.SshNet;
using Renci.SshNet.Common;
using Renci.SshNet.Messages.Transport;

namespace Natalia.Backup.Hypervisors.Ssh;

/// <summary>Connects to an SSH server whose host key is the one that is expected, and logs in there.</summary>
internal static class SshConnector
{
    /// <summary>For each step: a machine that is emulated takes seconds for a signature.</summary>
    private static readonly TimeSpan s_step = TimeSpan.FromSeconds(20), s_keepAlive = TimeSpan.FromSeconds(15);

    /// <summary>
    /// The kinds of host keys, the one that every server of today has first. A server shows one key of those that it is
    /// asked for, and the expected one may be any of them.
    /// </summary>
    internal static readonly Func<string, bool>[] Kinds =
    [
        n => n == "ssh-ed25519",
        // A certificate has another fingerprint than its key.
        n => n.StartsWith("ecdsa-sha2-", StringComparison.Ordinal) && !n.Contains("-cert-"),
        n => n is "rsa-sha2-512" or "rsa-sha2-256" or "ssh-rsa",
    ];

    /// <summary>Connects and logs in.</summary>
    /// <param name="at">Where.</param>
    /// <param name="login">Who, and the host key.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>GuestNotReachable</c>: nobody answers as an SSH server does, now.
    /// <c>SshHostKeyNotTrusted</c>: another key; the login was not told. <c>AuthenticationFailed</c>,
    /// <c>SshKeyInvalid</c>.</exception>
    internal static async Task<SshClient> ConnectAsync(SshEndpoint at, GuestCredential login,
        CancellationToken cancellationToken)
    {
        List<string> shown = [];
        SshException? refused = null;
        foreach (Func<string, bool> kind in Kinds)
        {
            (SshClient? client, string? other, refused) =
                await TryAsync(at, login, kind, cancellationToken).ConfigureAwait(false);
            if (client is not null) return client;
            if (other is not null) shown.Add(other);
        }
        if (shown.Count == 0) throw NotReachable(at, refused!);
        throw new NataliaException(ErrorIds.SshHostKeyNotTrusted, NataliaErrorKind.Security,
            $"The SSH server at {at} has another host key than the one that is expected: {string.Join(", ", shown)} "
            + $"instead of {login.HostKey}. It was told neither the user nor a secret.", at.ToString(),
            "See on the appliance's own console which keys it has (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub). "
            + "A system that was deployed anew makes new ones. Name the right one with -SshHostKey, or keep it with "
            + "Set-NataliaAppliance -SshHostKey.");
    }

    /// <summary>One connection that asks for one kind of key.</summary>
    private static async Task<(SshClient? Client, string? Other, SshException? Refused)> TryAsync(SshEndpoint at,
        GuestCredential login, Func<string, bool> kind, CancellationToken cancellationToken)
    {
        string? other = null;
        byte[] password = Encoding.UTF8.GetBytes(Reveal(login.Password));
        using PrivateKeyFile? key = login.PrivateKey is SecureString text ? ReadKey(text, login) : null;
        AuthenticationMethod[] methods = key is not null
            ? [new PrivateKeyAuthenticationMethod(login.UserName, key)]
            : [new PasswordAuthenticationMethod(login.UserName, password), Interactive(login)];
        var how = new ConnectionInfo(at.Host, at.Port, login.UserName, methods) { Timeout = s_step };
        AskFor(how, kind);
        var client = new SshClient(how) { KeepAliveInterval = s_keepAlive };
        client.HostKeyReceived += (_, e) =>
        {
            string fingerprint = "SHA256:" + e.FingerPrintSHA256.TrimEnd('=');
            e.CanTrust = fingerprint == login.HostKey!.Fingerprint;
            if (!e.CanTrust) other = fingerprint;
        };
        bool isDone = false;
        try
        {
            await client.ConnectAsync(cancellationToken).ConfigureAwait(false);
            isDone = true;
            return (client, null, null);
        }
        catch (SshException) when (other is not null)
        {
            return (null, other, null);
        }
        catch (SshConnectionException e) when (e.DisconnectReason == DisconnectReason.KeyExchangeFailed)
        {
            // It has no key of this kind.
            return (null, null, e);
        }
        catch (SshAuthenticationException e)
        {
            throw new NataliaException(ErrorIds.AuthenticationFailed, NataliaErrorKind.Authentication,
                $"The guest's SSH server at {at} refused '{login}': {DisplayText.CleanLine(e.Message)}", at.ToString(),
                key is null
                    ? "See whether the user and the password are right, and whether the server takes passwords."
                    : "See whether the private key's public part stands in the user's authorized_keys.", e);
        }
        catch (Exception e) when (e is SshException or SocketException or IOException or ObjectDisposedException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw NotReachable(at, e);
        }
        finally
        {
            Array.Clear(password, 0, password.Length);
            if (!isDone) client.Dispose();
        }
    }

    /// <summary>The same password, for servers that ask for it as a question.</summary>
    private static KeyboardInteractiveAuthenticationMethod Interactive(GuestCredential login)
    {
        var method = new KeyboardInteractiveAuthenticationMethod(login.UserName);
        method.AuthenticationPrompt += (_, e) =>
        {
            // What is echoed is no password.
            foreach (AuthenticationPrompt prompt in e.Prompts)
                prompt.Response = prompt.IsEchoed ? "" : Reveal(login.Password);
        };
        return method;
    }

    private static PrivateKeyFile ReadKey(SecureString text, GuestCredential login)
    {
        byte[] pem = Encoding.UTF8.GetBytes(Reveal(text));
        try
        {
            using var stream = new MemoryStream(pem);
            return login.Password is { Length: > 0 } password
                ? new PrivateKeyFile(stream, Reveal(password))
                : new PrivateKeyFile(stream);
        }
        catch (Exception e)
            when (e is SshException or ArgumentException or FormatException or InvalidOperationException
                or NotSupportedException or IOException or System.Security.Cryptography.CryptographicException
                || e.GetType().Namespace?.StartsWith("Org.BouncyCastle", StringComparison.Ordinal) == true)
        {
            // The reason of a library may cite what it read, so it is not told.
            throw new NataliaException(ErrorIds.SshKeyInvalid, NataliaErrorKind.InvalidData,
                $"The private key of '{login}' cannot be used: "
                + (e is SshPassPhraseNullOrEmptyException
                    ? "it is protected by a password, and none was given."
                    : "it is no private key that is known, or its password is another one."), login.UserName,
                "Give a key as ssh-keygen makes it; the credential's password is the key's own, empty for a key "
                + "without one.");
        }
        finally
        {
            Array.Clear(pem, 0, pem.Length);
        }
    }

    /// <summary>Has a connection ask for one kind of host key.</summary>
    internal static void AskFor(ConnectionInfo how, Func<string, bool> kind)
    {
        foreach (string name in how.HostKeyAlgorithms.Keys.Where(n => !kind(n)).ToList())
            how.HostKeyAlgorithms.Remove(name);
    }

    internal static NataliaException NotReachable(SshEndpoint at, Exception e) =>
        new(ErrorIds.GuestNotReachable, NataliaErrorKind.Connection,
            $"No SSH server can be spoken to at {at}: {DisplayText.CleanLine(e.Message)}", at.ToString(), null, e);

    private static string Reveal(SecureString? secret) =>
        secret is null ? "" : new System.Net.NetworkCredential("", secret).Password;
}
