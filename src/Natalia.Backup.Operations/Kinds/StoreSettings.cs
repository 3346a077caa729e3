using System.Text.Json.Serialization;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>A store that holds a repository of this product.</summary>
internal abstract record StoreSettings : RepositoryConnectionSettings
{
    /// <summary>
    /// The name of the secret that holds the repository's password, when one is needed and its name is known.
    /// </summary>
    [JsonPropertyOrder(2)]
    public string? PasswordSecret { get; init; }

    /// <summary>Where it is, as a person would write it.</summary>
    internal abstract string Location { get; }

    /// <summary>The class that a new repository keeps its packs in; null for the store's default.</summary>
    internal virtual string? ClassOfPacks => null;

    internal override IEnumerable<string> Secrets =>
        PasswordSecret is null ? base.Secrets : base.Secrets.Prepend(PasswordSecret);

    internal override string? Problem => Access switch
    {
        RepositoryAccess.Hypervisor =>
            "access is Hypervisor, and a repository of this product is not reached through one",
        RepositoryAccess.Password when PasswordSecret is null => "passwordSecret is missing",
        not RepositoryAccess.Password
            when PasswordSecret is not null => $"passwordSecret is given, but its access is {Access}",
        _ => null,
    };

    /// <summary>Makes sure, as far as that costs nothing, that a repository can be made here.</summary>
    /// <exception cref="NataliaException"><c>NotARepository</c>: something is there.</exception>
    internal virtual void EnsureEmpty() { }

    /// <summary>Makes sure, as far as that costs nothing and needs no secret, that the place is there.</summary>
    /// <exception cref="NataliaException">What opening the store throws.</exception>
    internal virtual void EnsureThere() { }

    /// <summary>Opens the store.</summary>
    /// <param name="credential">Who connects; null for the account that runs the command, or the machine's own.</param>
    /// <param name="isNew">True when a repository is to be made in it.</param>
    /// <exception cref="NataliaException">What the store throws.</exception>
    internal abstract Task<OpenedStore> OpenAsync(UserCredential? credential, bool isNew,
        CancellationToken cancellationToken);

    /// <summary>The name for the secret with the user that connects.</summary>
    /// <param name="known">The name that it has; empty when it has none yet.</param>
    /// <param name="named">The name that the user gave for the repository; null leaves the choice.</param>
    /// <param name="end">What tells it from the password's name.</param>
    private protected string LoginName(string known, string? named, string end) =>
        named is null && known.Length > 0 ? known : PasswordName(named) + end;

    /// <summary>The name for the password's secret; null when the repository is opened without one.</summary>
    private protected string? PasswordSecretFor(string? named) =>
        Access == RepositoryAccess.Password ? PasswordName(named) : PasswordSecret;

    private string PasswordName(string? named) => named ?? PasswordSecret ?? $"natalia-{Name}";
}
