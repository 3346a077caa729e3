using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Tests.Ssh;

public sealed class SshHostKeyTests
{
    // Made with ssh-keygen, which prints this fingerprint of it.
    private const string Key = "AAAAC3NzaC1lZDI1NTE5AAAAIF8J0pgEsYpuKkOK5Gb1gdwdQXOB2kSJeYPTc8mvpbgh";
    private const string Fingerprint = "SHA256:fb1cIUwnjW7RFL56cMMAw+Cly3aH+3eu9dTNA2edOUw";

    [Theory]
    [InlineData(Fingerprint)]
    [InlineData(Fingerprint + "=")]
    [InlineData("256 " + Fingerprint + " root@natalia (ED25519)")]
    [InlineData("ssh-ed25519 " + Key)]
    [InlineData("ssh-ed25519 " + Key + " root@natalia\n")]
    [InlineData("[127.0.0.1]:2222 ssh-ed25519 " + Key)]
    public void What_OpenSSH_writes_is_read(string text) =>
        Assert.Equal(Fingerprint, SshHostKey.Parse(text).Fingerprint);

    [Theory]
    [InlineData("")]
    [InlineData("SHA256:")]
    [InlineData("SHA256:AAAA")]
    [InlineData("MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48")]
    [InlineData(Key)]
    [InlineData("ssh-rsa " + Key)]
    [InlineData("ssh-ed25519 AAAA")]
    public void Anything_else_is_refused(string text) => Assert.Equal(ErrorIds.SshHostKeyInvalid,
        Assert.Throws<NataliaException>(() => SshHostKey.Parse(text)).ErrorId);
}
