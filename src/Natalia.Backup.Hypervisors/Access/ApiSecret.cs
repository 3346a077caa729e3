using System.Net;
using System.Security;

namespace Natalia.Backup.Hypervisors.Access;

/// <summary>A secret that is turned into text only for the moment of its use.</summary>
internal sealed class ApiSecret : IDisposable
{
    private readonly SecureString _value;

    internal ApiSecret(SecureString value) => _value = value.Copy();

    internal string Reveal() => new NetworkCredential("", _value).Password;

    public void Dispose() => _value.Dispose();

    public override string ToString() => "(secret)";
}
