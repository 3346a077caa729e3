using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Reports;

/// <summary>
/// A headless Chromium with one page, driven over its DevTools protocol; just what tests of a page need. It keeps what
/// the page says on its console and what it asks the network for.
/// </summary>
public sealed class Browser : IAsyncLifetime
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);
    private readonly string _profile = Directory.CreateTempSubdirectory("natalia-chromium-").FullName;
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonNode>> _waiting = new();
    private readonly ConcurrentQueue<string> _messages = new();
    private readonly ConcurrentQueue<string> _requests = new();
    private readonly ClientWebSocket _socket = new();
    private readonly SemaphoreSlim _sending = new(1, 1);
    private Process? _process;
    private Task? _reading;
    private TaskCompletionSource _loaded = new();
    private string? _session;
    private int _lastId;

    /// <summary>What the page said on its console since it was opened, policy violations included.</summary>
    public IReadOnlyList<string> Messages => [.. _messages];

    /// <summary>What it asked for, beside itself.</summary>
    public IReadOnlyList<string> Requests => [.. _requests];

    public async Task InitializeAsync()
    {
        if (Counterpart.Chromium.Obstacle is not null) return;
        Counterpart.Chromium.MustBeThere();
        var start = new ProcessStartInfo("chromium")
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            ArgumentList =
            {
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                "--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-sync",
                "--disable-component-update", "--force-color-profile=srgb", "--remote-debugging-address=127.0.0.1",
                "--remote-debugging-port=0", $"--user-data-dir={_profile}", "about:blank",
            },
        };
        _process = Process.Start(start)!;
        var listening = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        _process.OutputDataReceived += (_, _) => { };
        _process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is null) listening.TrySetException(new InvalidOperationException("Chromium has ended."));
            else if (line.Data.StartsWith("DevTools listening on ", StringComparison.Ordinal))
                listening.TrySetResult(line.Data[22..]);
        };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        string address = await listening.Task.WaitAsync(s_limit);
        await _socket.ConnectAsync(new Uri(address), CancellationToken.None).WaitAsync(s_limit);
        _reading = ReadAsync();
        JsonNode target = await SendAsync("Target.createTarget", new JsonObject { ["url"] = "about:blank" });
        _session = (string?)(await SendAsync("Target.attachToTarget", new JsonObject
        {
            ["targetId"] = (string?)target["targetId"],
            ["flatten"] = true,
        }))["sessionId"];
        foreach (string domain in (string[])["Page", "Runtime", "Log", "Network"]) await SendAsync($"{domain}.enable");
    }

    /// <summary>Opens a file, as a screen shows it or as a printer gets it.</summary>
    public async Task OpenAsync(string file, int width, int height, bool isDark, bool isPrinted = false)
    {
        await SendAsync("Emulation.setDeviceMetricsOverride", new JsonObject
        {
            ["width"] = width,
            ["height"] = height,
            ["deviceScaleFactor"] = 1,
            ["mobile"] = width < 600,
        });
        await SendAsync("Emulation.setEmulatedMedia", new JsonObject
        {
            ["media"] = isPrinted ? "print" : "",
            ["features"] = new JsonArray(new JsonObject
            {
                ["name"] = "prefers-color-scheme",
                ["value"] = isDark ? "dark" : "light",
            }),
        });
        _messages.Clear();
        _requests.Clear();
        _loaded = new TaskCompletionSource();
        await SendAsync("Page.navigate", new JsonObject { ["url"] = new Uri(file).AbsoluteUri });
        await _loaded.Task.WaitAsync(s_limit);
    }

    /// <summary>Runs a script of the test's in the page, which the page's policy does not concern.</summary>
    public async Task<JsonNode?> RunAsync(string script)
    {
        JsonNode answer = await SendAsync("Runtime.evaluate", new JsonObject
        {
            ["expression"] = script,
            ["awaitPromise"] = true,
            ["returnByValue"] = true,
        });
        if (answer["exceptionDetails"] is JsonNode failure) throw new InvalidOperationException(failure.ToJsonString());
        return answer["result"]?["value"];
    }

    /// <summary>A picture of the page from its top, or of all of it.</summary>
    public async Task<byte[]> PictureAsync(bool isWhole, int mostHeight = 16000)
    {
        var wanted = new JsonObject { ["format"] = "png" };
        if (isWhole)
        {
            JsonNode size = (await SendAsync("Page.getLayoutMetrics"))["cssContentSize"]!;
            wanted["captureBeyondViewport"] = true;
            wanted["clip"] = new JsonObject
            {
                ["x"] = 0,
                ["y"] = 0,
                ["width"] = (double)size["width"]!,
                ["height"] = Math.Min((double)size["height"]!, mostHeight),
                ["scale"] = 1,
            };
        }
        return Convert.FromBase64String((string)(await SendAsync("Page.captureScreenshot", wanted))["data"]!);
    }

    /// <summary>The page as a PDF of A4 sheets.</summary>
    public async Task<byte[]> PrintAsync() =>
        Convert.FromBase64String((string)(await SendAsync("Page.printToPDF", new JsonObject
        {
            ["preferCSSPageSize"] = true,
            ["printBackground"] = false,
        }))["data"]!);

    public async Task DisposeAsync()
    {
        if (_process is not null)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
            _process.Dispose();
        }
        _socket.Dispose();
        _sending.Dispose();
        if (_reading is not null) await Task.WhenAny(_reading);
        Directory.Delete(_profile, recursive: true);
    }

    private async Task<JsonNode> SendAsync(string method, JsonObject? parameters = null)
    {
        int id = Interlocked.Increment(ref _lastId);
        var answer = new TaskCompletionSource<JsonNode>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[id] = answer;
        var message = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters ?? [] };
        if (_session is not null) message["sessionId"] = _session;
        await _sending.WaitAsync();
        try
        {
            await _socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(message), WebSocketMessageType.Text, true,
                CancellationToken.None);
        }
        finally
        {
            _sending.Release();
        }
        return await answer.Task.WaitAsync(s_limit);
    }

    private async Task ReadAsync()
    {
        var buffer = new byte[1 << 16];
        try
        {
            while (true)
            {
                using var message = new MemoryStream();
                ValueWebSocketReceiveResult part;
                do
                {
                    part = await _socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
                    message.Write(buffer, 0, part.Count);
                }
                while (!part.EndOfMessage);
                Take(JsonNode.Parse(message.ToArray())!);
            }
        }
        catch (Exception e) when (e is WebSocketException or ObjectDisposedException or OperationCanceledException
            or JsonException)
        {
            foreach (TaskCompletionSource<JsonNode> waiting in _waiting.Values) waiting.TrySetException(e);
        }
    }

    private void Take(JsonNode message)
    {
        if ((int?)message["id"] is int id && _waiting.TryRemove(id, out TaskCompletionSource<JsonNode>? answer))
        {
            if (message["error"] is JsonNode error) answer.SetException(new InvalidOperationException(error.ToJsonString()));
            else answer.SetResult(message["result"]!);
            return;
        }
        JsonNode? what = message["params"];
        switch ((string?)message["method"])
        {
            case "Page.loadEventFired":
                _loaded.TrySetResult();
                break;
            case "Runtime.consoleAPICalled" or "Runtime.exceptionThrown" or "Log.entryAdded":
                _messages.Enqueue(what!.ToJsonString());
                break;
            case "Network.requestWillBeSent" when (string?)what!["type"] != "Document":
                _requests.Enqueue((string)what["request"]!["url"]!);
                break;
        }
    }
}

/// <summary>A test that looks at a page in a real browser.</summary>
public sealed class ChromiumFactAttribute : FactAttribute
{
    public ChromiumFactAttribute([System.Runtime.CompilerServices.CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test,
            Counterpart.Chromium.Obstacle);
}
