using System.Management.Automation;
using System.Security;

namespace Natalia.Backup.Cmdlets.Tests.Examples;

/// <summary>
/// What Get-Secret, Set-Secret and Get-Credential answer. A document that stores its secrets must have stored each one
/// that it takes out; others take for granted that they are there.
/// </summary>
internal sealed class Vault
{
    internal const string PasswordText = "correct horse";

    private readonly Dictionary<string, object> _stored = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Who logs in to the hypervisor.</summary>
    internal PSCredential Login { get; set; } = Credential(@"CONTOSO\backup", PasswordText);

    /// <summary>Secrets that are users with their passwords, by name; all others are passwords.</summary>
    internal Dictionary<string, PSCredential> Credentials { get; } = new(StringComparer.OrdinalIgnoreCase)
    {
        ["natalia-guest"] = Credential("natalia", PasswordText),
        ["hyperv"] = Credential(@"CONTOSO\backup", PasswordText),
    };

    public object Get(string name) => _stored.TryGetValue(name, out object? secret) ? secret
        : _stored.Count == 0 ? Credentials.TryGetValue(name, out PSCredential? known) ? known : Secure(PasswordText)
        : throw new ArgumentException($"The vault has no secret '{name}'.");

    /// <summary>Without a secret, somebody is asked for a password.</summary>
    public void Set(string name, object? secret) =>
        _stored[name] = (secret is PSObject wrapped ? wrapped.BaseObject : secret) ?? Secure(PasswordText);

    /// <summary>What is typed when a user and a password are asked for.</summary>
    public PSCredential Ask(string? userName, string? message) =>
        message is not null && Credentials.TryGetValue(message, out PSCredential? known) ? known
        : string.IsNullOrEmpty(userName) ? Login
        // Only Windows has the variables of the user's name and domain.
        : Credential(userName == @"\" ? @"CONTOSO\anna" : userName, PasswordText);

    internal static PSCredential Credential(string user, string password) => new(user, Secure(password));

    internal static SecureString Secure(string text)
    {
        var secure = new SecureString();
        foreach (char c in text) secure.AppendChar(c);
        return secure;
    }
}
