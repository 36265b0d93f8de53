#include "nn/optimizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <utility>

#include "nn/update_rules.h"
#include "tests/nn/fixtures.h"
#include "tests/support/each_simd.h"

namespace nnkernels::nn {
namespace {

/// One weight and its state, updated in double as the formula is written.
struct Reference {
  double w = 0;
  double m = 0;
  double v = 0;
};
using Rule = std::function<void(Reference&, double g, int step)>;

template <class T>
void five_steps(Optimizer<T>& optimizer, const Rule& rule, double tolerance) {
  auto net = random_net<T>({9}, "affine 11");
  optimizer.bind(net);
  std::vector<std::vector<Reference>> expected;
  for (const Parameter<T>* parameter : net.parameters()) {
    for (auto& references = expected.emplace_back(); const T value : parameter->value) {
      references.push_back({.w = static_cast<double>(value)});
    }
  }
  for (int step = 1; step <= 5; ++step) {
    for (std::size_t p = 0; p < expected.size(); ++p) {
      Parameter<T>& parameter = *net.parameters()[p];
      parameter.grad = random_tensor<T>(parameter.value.shape(), static_cast<std::uint64_t>(step));
      for (std::size_t i = 0; i < expected[p].size(); ++i) {
        rule(expected[p][i], static_cast<double>(parameter.grad[static_cast<std::int64_t>(i)]),
             step);
      }
    }
    optimizer.step();
  }
  EXPECT_EQ(optimizer.steps(), 5);
  for (std::size_t p = 0; p < expected.size(); ++p) {
    for (std::size_t i = 0; i < expected[p].size(); ++i) {
      const auto w = static_cast<double>(net.parameters()[p]->value[static_cast<std::int64_t>(i)]);
      EXPECT_NEAR(w, expected[p][i].w, tolerance);
    }
  }
}

/// Each rule as PyTorch's documentation of the optimizer of that name writes it.
template <class T>
void check_all_rules(double tolerance) {
  SGD<T> sgd(0.25);
  five_steps<T>(
      sgd, [](Reference& r, double g, int) { r.w -= 0.25 * g; }, tolerance);
  Momentum<T> momentum(0.25, 0.5);
  five_steps<T>(
      momentum,
      [](Reference& r, double g, int) {
        r.m = 0.5 * r.m + g;
        r.w -= 0.25 * r.m;
      },
      tolerance);
  Nesterov<T> nesterov(0.25, 0.5);
  five_steps<T>(
      nesterov,
      [](Reference& r, double g, int) {
        r.m = 0.5 * r.m + g;
        r.w -= 0.25 * (g + 0.5 * r.m);
      },
      tolerance);
  AdaGrad<T> adagrad(0.25, 1e-4);
  five_steps<T>(
      adagrad,
      [](Reference& r, double g, int) {
        r.v += g * g;
        r.w -= 0.25 * g / (std::sqrt(r.v) + 1e-4);
      },
      tolerance);
  RMSprop<T> rmsprop(0.25, 0.75, 1e-4);
  five_steps<T>(
      rmsprop,
      [](Reference& r, double g, int) {
        r.v = 0.75 * r.v + 0.25 * g * g;
        r.w -= 0.25 * g / (std::sqrt(r.v) + 1e-4);
      },
      tolerance);
  const auto adam_step = [](Reference& r, double g, int step) {
    r.m = 0.5 * r.m + 0.5 * g;
    r.v = 0.75 * r.v + 0.25 * g * g;
    const double m = r.m / (1 - std::pow(0.5, step));
    const double v = r.v / (1 - std::pow(0.75, step));
    r.w -= 0.25 * m / (std::sqrt(v) + 1e-4);
  };
  Adam<T> adam(0.25, 0.5, 0.75, 1e-4);
  five_steps<T>(adam, adam_step, tolerance);
  AdamW<T> adamw(0.25, 0.125, 0.5, 0.75, 1e-4);
  five_steps<T>(
      adamw,
      [&](Reference& r, double g, int step) {
        r.w -= 0.25 * 0.125 * r.w;
        adam_step(r, g, step);
      },
      tolerance);
}

TEST(Optimizer, FiveStepsFollowTheFormulas) {
  check_all_rules<double>(1e-14);
  check_all_rules<float>(2e-6);
}

// The order is PyTorch's: clip the gradients, then add the decay, then the rule.
TEST(Optimizer, ClipsByValueAndDecaysBeforeTheRule) {
  Nesterov<double> nesterov(0.25, 0.5);
  nesterov.set_gradient_options({.weight_decay = 0.125, .clip_value = 0.75});
  five_steps<double>(
      nesterov,
      [](Reference& r, double g, int) {
        g = std::clamp(g, -0.75, 0.75) + 0.125 * r.w;
        r.m = 0.5 * r.m + g;
        r.w -= 0.25 * (g + 0.5 * r.m);
      },
      1e-14);
}

TEST(Optimizer, ClipsByTheNormOfAllGradients) {
  auto net = random_net<double>({300}, "affine 200, affine 3");
  SGD<double> sgd(1);
  sgd.set_gradient_options({.clip_norm = 2});
  EXPECT_FALSE(sgd.updates_in_backward());
  EXPECT_THROW(sgd.begin_step(), std::invalid_argument);
  sgd.bind(net);
  for (const double size : {1.0, 1e-4}) {
    double squares = 0;
    std::vector<Tensor<double>> before;
    for (Parameter<double>* p : net.parameters()) {
      before.push_back(p->value.clone());
      p->grad = random_tensor<double>(p->value.shape(), 5);
      for (double& g : p->grad) {
        g *= size;
        squares += g * g;
      }
    }
    const double factor = std::min(1.0, 2 / (std::sqrt(squares) + 1e-6));
    EXPECT_EQ(factor < 1, size == 1.0);
    sgd.step();
    for (std::size_t i = 0; i < before.size(); ++i) {
      const Parameter<double>& p = *net.parameters()[i];
      for (std::int64_t k = 0; k < p.value.size(); ++k) {
        ASSERT_NEAR(p.value[k], before[i][k] - factor * p.grad[k], 1e-13);
      }
    }
  }
  EXPECT_EQ(sgd.steps(), 2);
}

// A gradient that is not a number must not disappear in a comparison.
TEST(Optimizer, ClippingKeepsNan) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const GradientOptions& clip :
       {GradientOptions{.clip_value = 1}, GradientOptions{.clip_norm = 1}}) {
    auto net = random_net<double>({3}, "affine 5");
    SGD<double> sgd(1);
    sgd.set_gradient_options(clip);
    sgd.bind(net);
    net.parameters()[0]->grad[4] = nan;
    sgd.step();
    EXPECT_TRUE(std::isnan(net.parameters()[0]->value[4]));
  }
}

TEST(Optimizer, NamesItsState) {
  const auto net = random_net<float>({4}, "affine 3, relu, affine 2");
  Adam<float> adam(0.001);
  adam.bind(net);
  ASSERT_EQ(adam.state().size(), 8U);
  EXPECT_EQ(adam.state()[0].name, "m.0.w");
  EXPECT_EQ(adam.state()[1].name, "v.0.w");
  EXPECT_EQ(adam.state()[6].name, "m.2.b");
  EXPECT_EQ(adam.state()[1].value.shape(), (Shape{4, 3}));
  SGD<float> sgd(0.1);
  sgd.bind(net);
  EXPECT_TRUE(sgd.state().empty());
}

// What a checkpoint holds is enough: a second optimizer given the state goes on as the first would.
TEST(Optimizer, StateAndStepsAreAllThereIs) {
  const auto train = [](Sequential<float>& net, Optimizer<float>& optimizer, std::uint64_t step) {
    for (Parameter<float>* parameter : net.parameters()) {
      parameter->grad = random_tensor<float>(parameter->value.shape(), step);
    }
    optimizer.step();
  };
  for (const std::string& name : optimizer_names()) {
    auto a = random_net<float>({6}, "affine 5");
    auto b = random_net<float>({6}, "affine 5");
    const auto first = make_optimizer<float>(name, 0.1);
    EXPECT_EQ(first->name(), name);
    first->bind(a);
    for (std::uint64_t step = 1; step <= 3; ++step) train(a, *first, step);
    const auto second = make_optimizer<float>(name, 0.1);
    second->bind(b);
    for (std::size_t i = 0; i < a.parameters().size(); ++i) {
      b.parameters()[i]->value = a.parameters()[i]->value.clone();
    }
    for (std::size_t i = 0; i < first->state().size(); ++i) {
      second->state()[i].value = first->state()[i].value.clone();
    }
    second->set_steps(first->steps());
    train(a, *first, 4);
    train(b, *second, 4);
    EXPECT_TRUE(same_bits<float>(a.parameters()[0]->value.view(), b.parameters()[0]->value.view()))
        << name;
  }
}

// Updating while the backward pass runs is the same as afterwards, bit by bit.
TEST(Optimizer, MayUpdateDuringTheBackwardPass) {
  const char* const text = "conv 5 3x3, relu, maxpool 2, flatten, affine 600, relu, affine 10";
  std::vector<std::pair<std::string, std::int64_t>> cases;
  // The gradient of a single sample is an outer product, which a rule may take as such.
  for (const std::string& name : optimizer_names()) {
    for (const std::int64_t n : {40, 1}) cases.emplace_back(name, n);
  }
  for (const auto& [name, n] : cases) {
    const auto x = random_tensor<float>({n, 10, 10, 2}, 1);
    const auto dy = random_tensor<float>({n, 10}, 2);
    const ForceThreads force(2);
    auto a = random_net<float>({10, 10, 2}, text);
    auto b = random_net<float>({10, 10, 2}, text);
    const auto after = make_optimizer<float>(name, 0.1);
    const auto during = make_optimizer<float>(name, 0.1);
    after->bind(a);
    during->bind(b);
    for (int step = 0; step < 3; ++step) {
      a.forward(x.view());
      a.backward(x.view(), dy.view());
      after->step();
      b.forward(x.view());
      during->begin_step();
      b.backward(x.view(), dy.view(), {}, during.get());
    }
    EXPECT_EQ(after->steps(), during->steps());
    for (std::size_t i = 0; i < a.parameters().size(); ++i) {
      EXPECT_TRUE(
          same_bits<float>(a.parameters()[i]->value.view(), b.parameters()[i]->value.view()))
          << name << " " << a.parameter_names()[i];
    }
  }
}

// Whose updates would go to other memory, or be lost.
TEST(Optimizer, RefusesABackwardPassThatIsNotItsOwn) {
  auto small = random_net<float>({4}, "affine 3");
  auto large = random_net<float>({400}, "affine 300, affine 3");
  const auto x = random_tensor<float>({2, 400}, 1);
  const auto dy = random_tensor<float>({2, 3}, 2);
  large.forward(x.view());
  const auto weights = large.parameters()[0]->value.clone();
  SGD<float> sgd(0.5);
  const auto refuses = [&](const char* why) {
    try {
      large.backward(x.view(), dy.view(), {}, &sgd);
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what();
      EXPECT_TRUE(same_bits<float>(weights.view(), large.parameters()[0]->value.view()));
      return;
    }
    ADD_FAILURE() << "expected: " << why;
  };
  sgd.begin_step();
  refuses("that are bound, 0, got 4");
  sgd.bind(small);
  sgd.begin_step();
  refuses("that are bound, 2, got 4");
  sgd.bind(large);
  refuses("no begin_step()");
  sgd.begin_step();
  large.backward(x.view(), dy.view(), {}, &sgd);
  EXPECT_FALSE(same_bits<float>(weights.view(), large.parameters()[0]->value.view()));
  EXPECT_THROW(large.backward(x.view(), dy.view(), {}, &sgd), std::invalid_argument);
  large.add<Affine<float>>(3, 3);
  large.forward(x.view());
  sgd.begin_step();
  EXPECT_THROW(large.backward(x.view(), dy.view(), {}, &sgd), std::invalid_argument);
}

// SGD's shortcut for a single sample must not forget decay and clipping.
TEST(Optimizer, DecaysAndClipsInTheBackwardPassOfASingleSample) {
  const auto x = random_tensor<double>({1, 70}, 1);
  const auto dy = random_tensor<double>({1, 5}, 2);
  for (const GradientOptions& options :
       {GradientOptions{.weight_decay = 0.5}, GradientOptions{.clip_value = 0.25}}) {
    auto a = random_net<double>({70}, "affine 5");
    auto b = random_net<double>({70}, "affine 5");
    SGD<double> after(0.5), during(0.5);
    after.set_gradient_options(options);
    during.set_gradient_options(options);
    after.bind(a);
    during.bind(b);
    a.forward(x.view());
    a.backward(x.view(), dy.view());
    after.step();
    b.forward(x.view());
    during.begin_step();
    b.backward(x.view(), dy.view(), {}, &during);
    EXPECT_TRUE(
        same_bits<double>(a.parameters()[0]->value.view(), b.parameters()[0]->value.view()));
  }
}

// Every setting arrives: what make_optimizer makes moves as the rule made by hand.
TEST(Optimizer, IsMadeFromItsOptions) {
  const auto moves = [](Optimizer<double>& made, Optimizer<double>& by_hand) {
    auto a = random_net<double>({6}, "affine 5");
    auto b = random_net<double>({6}, "affine 5");
    made.bind(a);
    by_hand.bind(b);
    for (std::uint64_t step = 1; step <= 3; ++step) {
      for (std::size_t i = 0; i < 2; ++i) {
        a.parameters()[i]->grad = random_tensor<double>(a.parameters()[i]->value.shape(), step);
        b.parameters()[i]->grad = a.parameters()[i]->grad.clone();
      }
      made.step();
      by_hand.step();
    }
    EXPECT_EQ(made.name(), by_hand.name());
    EXPECT_TRUE(same_bits<double>(a.parameters()[0]->value.view(), b.parameters()[0]->value.view()))
        << made.name();
  };
  const auto make = [](const char* name) {
    return make_optimizer<double>({.name = name,
                                   .lr = 0.5,
                                   .momentum = 0.25,
                                   .beta1 = 0.5,
                                   .beta2 = 0.75,
                                   .alpha = 0.625,
                                   .epsilon = 0.125,
                                   .weight_decay = 0.375,
                                   .clip_value = 0.875});
  };
  SGD<double> sgd(0.5);
  Momentum<double> momentum(0.5, 0.25);
  Nesterov<double> nesterov(0.5, 0.25);
  AdaGrad<double> adagrad(0.5, 0.125);
  RMSprop<double> rmsprop(0.5, 0.625, 0.125);
  Adam<double> adam(0.5, 0.5, 0.75, 0.125);
  AdamW<double> adamw(0.5, 0.375, 0.5, 0.75, 0.125);
  for (Optimizer<double>* each : std::initializer_list<Optimizer<double>*>{
           &sgd, &momentum, &nesterov, &adagrad, &rmsprop, &adam}) {
    each->set_gradient_options({.weight_decay = 0.375, .clip_value = 0.875});
    moves(*make(each->name().c_str()), *each);
  }
  adamw.set_gradient_options({.clip_value = 0.875});
  moves(*make("adamw"), adamw);
  AdamW<double> defaults(0.5);
  moves(*make_optimizer<double>("adamw", 0.5), defaults);
  AdaGrad<double> adagrad_defaults(0.5);
  moves(*make_optimizer<double>("adagrad", 0.5), adagrad_defaults);
}

TEST(Optimizer, RefusesBadSettings) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_THROW(SGD<float>(-0.1), std::invalid_argument);
  EXPECT_THROW(SGD<float>{infinity}, std::invalid_argument);
  EXPECT_THROW(Momentum<float>(0.1, 1.0), std::invalid_argument);
  EXPECT_THROW(Adam<float>(0.1, -0.5), std::invalid_argument);
  EXPECT_THROW(Adam<float>(0.1, 0.9, 1.0), std::invalid_argument);
  EXPECT_THROW(Adam<float>(0.1, 0.9, 0.999, 0.0), std::invalid_argument);
  EXPECT_THROW(Nesterov<float>(0.1, -0.1), std::invalid_argument);
  EXPECT_THROW(RMSprop<float>(0.1, 1.0), std::invalid_argument);
  EXPECT_THROW(AdaGrad<float>(0.1, 0.0), std::invalid_argument);
  EXPECT_THROW(AdamW<float>(0.1, -0.5), std::invalid_argument);
  EXPECT_THROW(make_optimizer<float>({.name = "sgd", .weight_decay = -1}), std::invalid_argument);
  EXPECT_THROW(make_optimizer<float>({.name = "sgd", .clip_norm = infinity}),
               std::invalid_argument);
  EXPECT_THROW(make_optimizer<float>({.name = "adam", .epsilon = 0}), std::invalid_argument);
  // As floats these are 1, 0 and infinity, and as doubles they are not.
  EXPECT_THROW(Momentum<float>(0.1, 0.99999999), std::invalid_argument);
  EXPECT_THROW(Nesterov<float>(0.1, 0.99999999), std::invalid_argument);
  EXPECT_THROW(RMSprop<float>(0.1, 0.99999999), std::invalid_argument);
  EXPECT_THROW(Adam<float>(0.1, 0.99999999), std::invalid_argument);
  EXPECT_THROW(Adam<float>(0.1, 0.9, 0.99999999), std::invalid_argument);
  EXPECT_THROW(Adam<float>(0.1, 0.9, 0.999, 1e-50), std::invalid_argument);
  EXPECT_THROW(AdaGrad<float>(0.1, 1e-50), std::invalid_argument);
  EXPECT_THROW(AdaGrad<float>(0.1, 1e50), std::invalid_argument);
  EXPECT_THROW(AdamW<float>(0.1, 1e50), std::invalid_argument);
  EXPECT_THROW(SGD<float>(1e50), std::invalid_argument);
  EXPECT_THROW(make_optimizer<float>({.name = "sgd", .weight_decay = 1e50}), std::invalid_argument);
  EXPECT_THROW(make_optimizer<float>({.name = "sgd", .clip_value = 1e-50}), std::invalid_argument);
  EXPECT_NO_THROW(Adam<double>(0.1, 0.9, 0.99999999, 1e-50));
  try {
    make_optimizer<float>("lion", 0.1);
    FAIL() << "no exception";
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("rmsprop, adam, adamw, got \"lion\""),
              std::string::npos);
  }
  SGD<float> sgd(0.1);
  sgd.set_learning_rate(0.01);
  EXPECT_EQ(sgd.learning_rate(), 0.01);
  EXPECT_THROW(sgd.set_steps(-1), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
