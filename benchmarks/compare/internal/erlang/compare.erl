%% What is measured of Erlang/OTP: main(Measurement, Actors, Times) prints the
%% figures as an array of JSON and ends the node; version() prints what runs here,
%% and ends it too. Messages and rings are those of
%% plain processes, the rest is gen_server and supervisor.
-module(compare).
-behaviour(gen_server).
-export([main/1, version/0, init/1, handle_call/3, handle_cast/2, start_server/1, start_supervisor/1]).

main([Measurement, Actors, Times]) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true), % the trees that are stopped here are linked
    try measure(Measurement, list_to_integer(Actors), list_to_integer(Times)) of
        Figures ->
            io:format("[~s]~n", [lists:join(",", [io_lib:format("~p", [F * 1.0]) || F <- Figures])]),
            halt(0)
    catch
        _:Reason ->
            io:format(standard_error, "~p~n", [Reason]),
            halt(1)
    end.

%% The release is known exactly where its files are complete.
version() ->
    Release = erlang:system_info(otp_release),
    File = filename:join([code:root_dir(), "releases", Release, "OTP_VERSION"]),
    Exact = case file:read_file(File) of
        {ok, Text} -> string:trim(Text);
        {error, _} -> Release
    end,
    io:format("~s (ERTS ~s, ~s)~n", [Exact, erlang:system_info(version), flavor()]),
    halt(0).

flavor() -> % before OTP 24 there was but one
    try erlang:system_info(emu_flavor) catch error:badarg -> emu end.

measure("send-1-1", Actors, Times) -> throughput(fun spawn_counters/2, fun send/2, 1, Actors, Times);
measure("send-8-1", Actors, Times) -> throughput(fun spawn_counters/2, fun send/2, 8, Actors, Times);
measure("send-100-pairs", Actors, Times) -> throughput(fun spawn_counters/2, fun send/2, 100, Actors, Times);
measure("cast", Actors, Times) -> throughput(fun start_counters/2, fun cast/2, 1, Actors, Times);
measure("call", _, Times) -> calls(infinity, Times);
measure("call-deadline", _, Times) -> calls(60000, Times);
measure("ring-1000", Actors, Times) -> ring(Actors, Times);
measure("spawn-100k", Actors, _) -> [Spawned, _] = spawn_and_stop(Actors), [Spawned];
measure("million", Actors, _) -> spawn_and_stop(Actors);
measure("bytes-idle", Actors, _) -> bytes(idle, Actors);
measure("bytes-warm", Actors, _) -> bytes(warm, Actors);
measure("bytes-hibernated", Actors, _) -> bytes(hibernated, Actors);
measure("restart", _, Times) -> restarts(Times);
measure("storm-1", Children, _) -> storm(1, Children);
measure("storm-100", Children, _) -> storm(100, Children);
measure("stop-tree-111k", Depth, _) -> stopping(Depth, 10);
measure("stop-1000", Children, _) -> stopping(1, Children);
measure("steady", Actors, Times) -> steady(Actors, Times).

now_ns() -> erlang:monotonic_time(nanosecond).
seconds_since(Begun) -> (now_ns() - Begun) / 1.0e9.

await(_, 0) -> ok;
await(Message, N) -> receive Message -> await(Message, N - 1) end.

%% Messages.

throughput(Make, Burst, Senders, Actors, Times) ->
    Each = Times div Senders,
    Counters = list_to_tuple(Make(Actors, Each * Senders div Actors)),
    All = [spawn_link(fun() ->
               receive go -> Burst(element(I rem Actors + 1, Counters), Each) end
           end) || I <- lists:seq(0, Senders - 1)],
    Begun = now_ns(),
    [P ! go || P <- All],
    await(counted, Actors),
    [Each * Senders / seconds_since(Begun)].

spawn_counters(Actors, Awaited) ->
    Parent = self(),
    [spawn_link(fun() -> count(Awaited, Parent) end) || _ <- lists:seq(1, Actors)].

count(0, Parent) -> Parent ! counted;
count(N, Parent) -> receive {m, _} -> count(N - 1, Parent) end.

start_counters(Actors, Awaited) ->
    [begin {ok, P} = gen_server:start_link(?MODULE, {count, Awaited, self()}, []), P end || _ <- lists:seq(1, Actors)].

send(_, 0) -> ok;
send(P, N) -> P ! {m, N}, send(P, N - 1).

cast(_, 0) -> ok;
cast(P, N) -> gen_server:cast(P, {m, N}), cast(P, N - 1).

calls(Timeout, Times) ->
    {ok, P} = gen_server:start_link(?MODULE, idle, []),
    Begun = now_ns(),
    call(P, Timeout, Times),
    [(now_ns() - Begun) / Times].

call(_, _, 0) -> ok;
call(P, Timeout, N) -> gen_server:call(P, {m, N}, Timeout), call(P, Timeout, N - 1).

ring(Actors, Hops) ->
    Parent = self(),
    Last = spawn_link(fun() -> receive {next, P} -> hop(P, Parent) end end),
    First = lists:foldl(fun(_, Next) -> spawn_link(fun() -> hop(Next, Parent) end) end, Last, lists:seq(2, Actors)),
    Last ! {next, First},
    Begun = now_ns(),
    First ! {m, Hops},
    await(counted, 1),
    [(now_ns() - Begun) / Hops].

hop(Next, Parent) ->
    receive
        {m, 1} -> Parent ! counted;
        {m, N} -> Next ! {m, N - 1}, hop(Next, Parent)
    end.

%% Lives.

spawn_and_stop(Actors) ->
    {ok, Supervisor} = start_supervisor({dynamic, idle}),
    Begun = now_ns(),
    spawn_children(Supervisor, Actors),
    Spawned = seconds_since(Begun),
    [Spawned, stop(Supervisor)].

spawn_children(_, 0) -> ok;
spawn_children(Supervisor, N) -> {ok, _} = supervisor:start_child(Supervisor, []), spawn_children(Supervisor, N - 1).

bytes(Kind, Actors) ->
    {ok, Supervisor} = start_supervisor({dynamic, Kind}),
    garbage_collect(),
    Before = erlang:memory(total),
    spawn_children(Supervisor, Actors),
    [gen_server:call(P, {m, 1}) || Kind =:= warm, {_, P, _, _} <- supervisor:which_children(Supervisor)],
    garbage_collect(),
    garbage_collect(Supervisor),
    timer:sleep(100),
    [(erlang:memory(total) - Before) / Actors].

stopping(Depth, FanOut) ->
    {ok, Root} = start_supervisor({level, Depth, FanOut}),
    [stop(Root)].

stop(Supervisor) ->
    Begun = now_ns(),
    exit(Supervisor, shutdown),
    receive {'EXIT', Supervisor, shutdown} -> seconds_since(Begun) end.

%% Crashes.

restarts(Times) ->
    {ok, _} = start_supervisor({level, [[{worker, 0, self()}]]}),
    receive {up, 0, First, _} -> ok end,
    Took = lists:sort(crash(First, Times, [])),
    [lists:nth(max(1, ceil(Times * Share)), Took) / 1.0e9 || Share <- [0.5, 0.99]].

crash(_, 0, Took) -> Took;
crash(P, N, Took) ->
    gen_server:cast(P, crash),
    receive {down, 0, Down} -> ok end,
    receive {up, 0, Next, Up} -> crash(Next, N - 1, [Up - Down | Took]) end.

storm(Supervisors, Children) ->
    Each = Children div Supervisors,
    {ok, _} = start_supervisor({level, [[{worker, I * Each + J, self()} || J <- lists:seq(1, Each)] || I <- lists:seq(0, Supervisors - 1)]}),
    Workers = ups(Children, []),
    [gen_server:cast(P, work) || P <- Workers],
    await(handled, Children),
    Begun = now_ns(),
    [gen_server:cast(P, crash) || P <- Workers],
    ups(Children, []),
    [seconds_since(Begun)].

ups(0, Workers) -> Workers;
ups(N, Workers) -> receive {up, _, P, _} -> ups(N - 1, [P | Workers]) end.

%% The steady state: a burst of 1,000 each millisecond. How long messages took is
%% counted by the microsecond.

-define(LONGEST, 1000000).

steady(Actors, Times) ->
    Parent = self(),
    Took = counters:new(?LONGEST + 1, [write_concurrency]),
    All = list_to_tuple([spawn_link(fun() -> clock(Times div Actors, Took, Parent) end) || _ <- lists:seq(1, Actors)]),
    {Before, _} = statistics(runtime),
    pace(All, Actors, 0, Times, erlang:monotonic_time(millisecond)),
    await(counted, Actors),
    {After, _} = statistics(runtime),
    [(After - Before) * 1.0e6 / Times, percentile(Took, 0, ceil(Times * 0.99)) / 1.0e6].

pace(_, _, Times, Times, _) -> ok;
pace(All, Actors, Sent, Times, At) when Sent rem 1000 =:= 0 ->
    erlang:send_after(At, self(), tick, [{abs, true}]),
    receive tick -> ok end,
    pace_one(All, Actors, Sent, Times, At + 1);
pace(All, Actors, Sent, Times, At) -> pace_one(All, Actors, Sent, Times, At).

pace_one(All, Actors, Sent, Times, At) ->
    element(Sent rem Actors + 1, All) ! {m, now_ns()},
    pace(All, Actors, Sent + 1, Times, At).

clock(0, _, Parent) -> Parent ! counted;
clock(N, Took, Parent) ->
    receive {m, Sent} -> counters:add(Took, min((now_ns() - Sent) div 1000, ?LONGEST) + 1, 1) end,
    clock(N - 1, Took, Parent).

percentile(Took, Microseconds, Rest) ->
    case Rest - counters:get(Took, Microseconds + 1) of
        Left when Left =< 0 -> Microseconds;
        Left -> percentile(Took, Microseconds + 1, Left)
    end.

%% Servers and supervisors.

start_server(Kind) -> gen_server:start_link(?MODULE, Kind, []).
start_supervisor(Kind) -> supervisor:start_link(?MODULE, {supervisor, Kind}).

init({supervisor, Kind}) -> {ok, supervises(Kind)};
init({worker, I, Parent}) -> Parent ! {up, I, self(), now_ns()}, {ok, {worker, I, Parent}};
init(hibernated) -> {ok, idle, hibernate};
init(State) -> {ok, State}.

supervises({dynamic, Kind}) -> {flags(simple_one_for_one), [server(child, Kind)]};
supervises({level, Depth, FanOut}) when is_integer(Depth) ->
    Below = case Depth of
        1 -> fun(I) -> server(I, idle) end;
        _ -> fun(I) -> supervisor(I, {level, Depth - 1, FanOut}) end
    end,
    {flags(one_for_one), [Below(I) || I <- lists:seq(1, FanOut)]};
supervises({level, [Group]}) -> {flags(one_for_one), [server(I, Worker) || {worker, I, _} = Worker <- Group]};
supervises({level, Groups}) ->
    {flags(one_for_one), [supervisor(I, {level, [Group]}) || {I, Group} <- lists:zip(lists:seq(1, length(Groups)), Groups)]}.

flags(Strategy) -> #{strategy => Strategy, intensity => 1000000, period => 1}.
server(Id, Kind) -> #{id => Id, start => {?MODULE, start_server, [Kind]}}.
supervisor(Id, Kind) -> #{id => Id, start => {?MODULE, start_supervisor, [Kind]}, type => supervisor}.

handle_call({m, N}, _, State) -> {reply, N, State}.

handle_cast({m, _}, {count, 1, Parent}) -> Parent ! counted, {noreply, idle};
handle_cast({m, _}, {count, N, Parent}) -> {noreply, {count, N - 1, Parent}};
handle_cast(work, {worker, _, Parent} = State) -> Parent ! handled, {noreply, State};
handle_cast(crash, {worker, I, Parent}) -> Parent ! {down, I, now_ns()}, error(poison).
