using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Ssh;

/// <summary>OpenSSH's own server on a port of 127.0.0.1, with keys of its own; root logs in by a key.</summary>
public sealed class SshServer : ISshEndpoints, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Process _server;
    private readonly List<string> _log = [];

    public SshServer()
    {
        Counterpart.Ssh.MustBeThere();
        foreach ((string name, string kind, string password) in new[]
        {
            ("host-ed25519", "ed25519", ""), ("host-rsa", "rsa", ""), ("user", "ed25519", ""),
            ("protected", "ed25519", "of the key"), ("stranger", "ed25519", ""),
        })
            Run("ssh-keygen", "-q", "-t", kind, "-N", password, "-C", name, "-f", _folder[name]);
        File.WriteAllText(_folder["authorized"],
            File.ReadAllText(_folder["user.pub"]) + File.ReadAllText(_folder["protected.pub"]));
        Directory.CreateDirectory("/run/sshd");
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            Port = ((IPEndPoint)free.LocalEndpoint).Port;
        }
        File.WriteAllText(_folder["config"], $"""
            ListenAddress 127.0.0.1
            Port {Port}
            HostKey {_folder["host-ed25519"]}
            HostKey {_folder["host-rsa"]}
            AuthorizedKeysFile {_folder["authorized"]}
            PermitRootLogin yes
            PasswordAuthentication yes
            StrictModes no
            UsePAM no
            PidFile none
            SetEnv HOME={_folder.Path}
            LogLevel VERBOSE
            """);
        _server = Process.Start(new ProcessStartInfo("/usr/sbin/sshd", ["-D", "-e", "-f", _folder["config"]])
        {
            RedirectStandardError = true,
        })!;
        using var listens = new ManualResetEventSlim();
        _server.ErrorDataReceived += (_, e) =>
        {
            lock (_log) _log.Add(e.Data ?? "");
            if (e.Data?.Contains("Server listening", StringComparison.Ordinal) != false) listens.Set();
        };
        _server.BeginErrorReadLine();
        Assert.True(listens.Wait(TimeSpan.FromMinutes(1)), Log);
    }

    public int Port { get; }

    public string Log
    {
        get
        {
            lock (_log) return string.Join("\n", _log);
        }
    }

    /// <summary>A public key, as a line of its file.</summary>
    public string PublicKey(string name) => File.ReadAllText(_folder[name + ".pub"]);

    /// <summary>root by a key, who speaks with one server alone.</summary>
    public GuestCredential Login(string key = "user", string password = "", string hostKey = "host-ed25519") =>
        new("root", Secret(password), Secret(File.ReadAllText(_folder[key])), SshHostKey.Parse(PublicKey(hostKey)));

    public Task<SshEndpoint?> FindSshAsync(string nativeId, CancellationToken cancellationToken) =>
        Task.FromResult<SshEndpoint?>(new SshEndpoint("127.0.0.1", Port));

    /// <summary>Ends the server, and with it every connection.</summary>
    public void Stop()
    {
        if (_server.HasExited) return;
        _server.Kill(entireProcessTree: true);
        _server.WaitForExit();
    }

    public void Dispose()
    {
        Stop();
        _server.Dispose();
        _folder.Dispose();
    }

    public static SecureString Secret(string text)
    {
        var secret = new SecureString();
        foreach (char character in text) secret.AppendChar(character);
        return secret;
    }

    private static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}
